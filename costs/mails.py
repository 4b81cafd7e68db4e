"""What one mail costs: money a month over mails a month, and the seed's figures explained."""

from __future__ import annotations

from costs.budget import Budget, budget
from costs.charges import BY_DEFAULT, Component, Scope
from costs.claims import claims
from costs.holdings import FULL_MONTH, WORKING_MONTH, Holdings
from costs.money import MailsPerDay, Monthly, Once
from costs.pricebook import Kind, PriceBook
from costs.scaling import Quoted, quoted
from costs.shapes import MailPrice, MonthlyCents, PerThousand, PerUnit, Result, Tenths


class Spread(Result):
    """A month's money over the month's mails.

    Args:
        what: whose money it is.
        accounts: mailboxes.
        days: sending days in the month.
        mails: mails in the month.
        total: the money.
        per_mail: for one mail.
        per_1000_mails: for 1,000.
        saving_percent: how much less a mail costs than in the fleet as it is.
    """

    what: str
    accounts: int
    days: int
    mails: int
    total: MonthlyCents
    per_mail: MailPrice
    per_1000_mails: PerThousand
    saving_percent: Tenths


class Peer(Result):
    """What others ask.

    Args:
        provider: who.
        per_mailbox: for one mailbox a month; None where the price is for mails.
        per_1000_mails: for 1,000 mails; None where the price is for a mailbox.
        source: where the price stands.
        note: what else must be known about it.
    """

    provider: str
    per_mailbox: MonthlyCents | None
    per_1000_mails: PerThousand | None
    source: str
    note: str


class MailCosts(Result):
    """What one mail costs, and one account, domain and node.

    Args:
        fleet: the fleet's name.
        book: the price book's name.
        dated: the day of the book.
        currency: ISO 4217 code of every amount.
        total: the fleet's cost.
        spreads: the fleet over 30 and over 22 sending days, and without proxies, which carry no mail; with
            the seed's book also the sums it quotes, and their corrections.
        per_account: the total for one account.
        per_domain: the total for one domain.
        per_node: the total for one node.
        peers: what others ask, by the same book.
    """

    fleet: str
    book: str
    dated: str
    currency: str
    total: MonthlyCents
    spreads: tuple[Spread, ...]
    per_account: PerUnit
    per_domain: PerUnit
    per_node: PerUnit
    peers: tuple[Peer, ...]


def mail_costs(holdings: Holdings, book: PriceBook, scope: Scope = BY_DEFAULT) -> MailCosts:
    """Compute what a mail costs.

    Args:
        holdings: the fleet, at full load.
        book: the prices.
        scope: which components are covered.

    Raises:
        UnknownPriceError: a price in the total is unknown.
        NothingToPayError: the total is nothing.
    """
    costs = budget(holdings, book, scope)
    return MailCosts(
        fleet=holdings.name,
        book=book.name,
        dated=book.dated.isoformat(),
        currency=book.currency,
        total=costs.total,
        spreads=tuple(_spreads(holdings, book, costs, scope)),
        per_account=costs.total / holdings.accounts,
        per_domain=costs.total / holdings.domains,
        per_node=costs.total / holdings.node_count,
        peers=tuple(_peers(book)),
    )


def _spreads(holdings: Holdings, book: PriceBook, costs: Budget, scope: Scope) -> list[Spread]:
    each = holdings.caps.mails_per_account
    per_mail = costs.divisible.per(MailsPerDay(holdings.mails_per_day).over(FULL_MONTH))

    def spread(what: str, total: Monthly, accounts: int, days: int = FULL_MONTH) -> Spread:
        mails = MailsPerDay(accounts * each).over(days)
        price = total.per(mails)
        return Spread(
            what=what,
            accounts=accounts,
            days=days,
            mails=mails.mails,
            total=total,
            per_mail=price,
            per_1000_mails=price * 1000,
            saving_percent=(1 - price.ratio(per_mail)) * 100,
        )

    rows = [
        spread("this fleet", costs.total, holdings.accounts),
        spread("this fleet, working days", costs.total, holdings.accounts, WORKING_MONTH),
    ]
    proxies = costs.component(Component.PROXIES)
    if proxies.amount:
        rows.append(spread("this fleet without proxies", costs.total - proxies, holdings.accounts))
    at = claims().count("scaled-accounts")
    table: Quoted | None = quoted(holdings, book, at)
    if table:
        grown = budget(holdings.grown(at), book, scope).total
        rows += [
            spread("the seed's total", table.base, holdings.accounts),
            spread("the seed's scaled total", table.total, at),
            spread("the same on the right base", costs.total + table.added.total, at),
            spread("scaled in today's ratios", grown, at),
        ]
    return rows


def _peers(book: PriceBook) -> list[Peer]:
    mailboxes = [
        Peer(
            provider=line.provider,
            per_mailbox=line.monthly,
            per_1000_mails=None,
            source=line.source,
            note=line.note,
        )
        for line in book.priced(Kind.PEER_MAILBOX)
    ]
    mails = [
        Peer(
            provider=line.provider,
            per_mailbox=None,
            per_1000_mails=Once(line.price, line.currency),
            source=line.source,
            note=line.note,
        )
        for line in book.priced(Kind.PEER_MAILS)
    ]
    return mailboxes + mails
