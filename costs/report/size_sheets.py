"""Scaling, choice of nodes, price books and their changes: as tables."""

from __future__ import annotations

from collections.abc import Iterator

from costs.marginal import Saving
from costs.optimise import Choice, Optimum
from costs.pricebook import PriceBook
from costs.refresh import Refresh
from costs.report.sheet import Amount, Cell, Column, Number, Row, Sheet
from costs.scaling import Growth, Scaling, Size


def scaling_sheets(scaling: Scaling) -> Iterator[Sheet]:
    """The fleet at another size, what growth is bought in, and the curve."""
    yield _sizes(scaling)
    yield Sheet(
        id="steps",
        title="What growth is bought in",
        columns=(Column("line"), Column("one more every, accounts", right=True), Column("adds", right=True)),
        rows=tuple(Row((step.line, Number(step.every_accounts), step.adds)) for step in scaling.steps),
        notes=tuple(_growth_notes(scaling)),
    )
    yield Sheet(
        id="curve",
        title="From 100 to 1,000,000 accounts",
        columns=(
            Column("accounts", right=True),
            Column("nodes", right=True),
            Column("proxies", right=True, minor=True),
            Column("domains", right=True, minor=True),
            Column("a month", right=True),
            Column("per account", right=True, minor=True),
            Column("1,000 mails", right=True),
        ),
        rows=tuple(
            Row(
                (
                    point.accounts,
                    point.nodes,
                    point.proxies,
                    point.domains,
                    point.total,
                    Amount(point.per_account, 4),
                    Amount(point.per_1000_mails, 4),
                )
            )
            for point in scaling.curve
        ),
    )


def _sizes(scaling: Scaling) -> Sheet:
    base, computed, added, quoted = scaling.base, scaling.computed, scaling.added, scaling.quoted

    def row(name: str, attribute: str) -> Row:
        cells: list[Cell] = [name, _part(base, attribute)]
        if quoted:
            cells += [getattr(quoted, attribute), getattr(quoted.added, f"{attribute}_monthly")]
        return Row(
            (
                *cells,
                _part(computed, attribute),
                _part(added, attribute),
                getattr(added, f"{attribute}_monthly"),
            )
        )

    said = (Column("seed says", right=True), Column("seed adds", right=True, minor=True)) if quoted else ()
    totals: tuple[Cell, ...] = (quoted.total, quoted.added.total) if quoted else ()
    return Sheet(
        id="scaling",
        title=f"{computed.accounts:,} accounts instead of {base.accounts:,}: {computed.total} "
        f"instead of {base.total}",
        columns=(
            Column("resource"),
            Column("today", right=True),
            *said,
            Column("computed", right=True),
            Column("more", right=True, minor=True),
            Column("adds a month", right=True, minor=True),
        ),
        rows=(
            row("nodes", "nodes"),
            row("proxies", "proxies"),
            row("domains", "domains"),
            Row(("Total", base.total, *totals, computed.total, "", added.total), "total"),
        ),
        notes=(
            f"Per account {base.per_account.text(4)} today and {computed.per_account.text(4)} then.",
            f"prices: {scaling.book}, {scaling.dated}, {scaling.currency}",
        ),
    )


def _part(of: Size | Growth, attribute: str) -> int:
    count: int = getattr(of, attribute)
    return count


def _growth_notes(scaling: Scaling) -> Iterator[str]:
    marginal = scaling.marginal
    what = f"buys {' and '.join(marginal.steps)} and" if marginal.steps else "finds room and"
    yield (
        f"Account {scaling.computed.accounts + 1:,} {what} costs {marginal.monthly}; over many, an account "
        f"adds {marginal.on_average.text(4)}."
    )
    yield saving_sentence(scaling.saving)


def saving_sentence(saving: Saving) -> str:
    """From where on scale saves, in one sentence."""
    if saving.always_from is None:
        return "Nothing in the budget is flat: an account costs the same at every size."
    first = f"first at {saving.first_at:,} and " if saving.first_at != saving.always_from else ""
    return (
        f"An account is cheaper than today's {first}always from {saving.always_from:,}, not from "
        f"{saving.quoted_from:,}: there {saving.percent_at_quoted:.1f} % is saved; "
        f"{saving.at_most_percent:.1f} % is the most there is."
    )


def optimum_sheets(optimum: Optimum) -> Iterator[Sheet]:
    """The cheapest fleet, its rivals, and what each limit costs."""
    best, second = optimum.best, optimum.runner_up
    proof = (
        f"Tried: every node count from {best.tried_from:,}, the least that can carry them, to "
        f"{best.tried_to:,}; above that even the fewest domains cost more."
    )
    lay = "; ".join(
        f"{share.nodes:,} nodes with {share.domains} domains, up to {share.per_node} accounts on one"
        for share in best.shares
    )
    choices: list[Choice] = [best, *([second] if second else []), *optimum.others]
    yield Sheet(
        id="choice",
        title=f"The cheapest fleet for {optimum.accounts:,} accounts: {best.nodes:,} {best.type} at "
        f"{best.provider} and {best.domains:,} domains",
        columns=(
            Column("node type"),
            Column("nodes", right=True),
            Column("domains", right=True),
            Column("a month", right=True),
            Column("dearer by", right=True),
        ),
        rows=tuple(
            Row(
                (
                    f"{choice.provider} {choice.type}",
                    choice.nodes,
                    choice.domains,
                    choice.total,
                    "" if choice is best else choice.total - best.total,
                )
            )
            for choice in choices
        ),
        notes=(
            "Nodes with their addresses and domains; what does not depend on the choice is left out.",
            lay,
            proof,
            f"prices: {optimum.book}, {optimum.dated}, {optimum.currency}",
        ),
    )
    yield Sheet(
        id="limits",
        title="What each limit costs",
        columns=(
            Column("limit"),
            Column("allows", right=True),
            Column("one more saves", right=True),
            Column("without it saves", right=True),
        ),
        rows=tuple(
            Row(
                (
                    limit.limit,
                    "by type" if limit.value is None else limit.value,
                    "-" if limit.one_more_saves is None else limit.one_more_saves,
                    limit.without_saves,
                )
            )
            for limit in optimum.limits
        ),
    )


def refresh_sheet(found: Refresh) -> Sheet:
    """The prices that differ from the book's."""
    return Sheet(
        id="refresh",
        title=f"{len(found.changes)} of {found.listed} listed prices differ from book {found.book}",
        columns=(
            Column("product"),
            Column("for"),
            Column("book", right=True),
            Column("listed", right=True),
        ),
        rows=tuple(
            Row(
                (
                    change.product,
                    change.kind,
                    "-" if change.before is None else change.before,
                    "no longer" if change.after is None else change.after,
                )
            )
            for change in found.changes
        ),
        notes=(
            f"{found.currency} a month, net, {found.location}, {found.dated}; no other currency is listed",
        ),
    )


def books_sheet(books: tuple[PriceBook, ...]) -> Sheet:
    """The shipped price books."""
    return Sheet(
        id="books",
        title="Price books",
        columns=(
            Column("name"),
            Column("dated"),
            Column("prices", right=True),
            Column("currencies"),
            Column("tax"),
            Column("about"),
        ),
        rows=tuple(
            Row(
                (
                    book.name,
                    book.dated.isoformat(),
                    len(book.lines),
                    " ".join(sorted({line.currency for line in book.lines})),
                    book.tax,
                    book.about,
                )
            )
            for book in books
        ),
    )
