"""Budget, alternatives, cost of a mail: as tables."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from costs.audit import Finding
from costs.budget import GROUPS, Budget, BudgetLine, Group
from costs.mails import MailCosts
from costs.pricebook import PERIODS
from costs.report.compare import Comparison
from costs.report.sheet import Amount, Column, Number, Row, Sheet, text
from costs.shapes import MAIL_PLACES
from costs.statement import Statement


def budget_sheets(statement: Statement) -> Iterator[Sheet]:
    """The budget line by line, then what else would do the job."""
    yield _budget(statement)
    if statement.premium:
        yield _premium(statement)
    if statement.saas:
        yield _saas(statement)


def priced_by(budget: Budget) -> str:
    """Which prices a sum is made of."""
    return f"prices: {budget.book}, {budget.dated}, {budget.currency}, {budget.tax}"


def _budget(statement: Statement) -> Sheet:
    rows: list[Row] = []
    for group in Group:
        lines = [line for line in statement.lines if GROUPS[line.component] is group]
        rows += [_line(line, statement.currency) for line in lines]
        if lines:
            rows.append(Row((group.capitalize(), "", "", "", "", statement.subtotals[group], ""), "subtotal"))
    rows.append(Row(("Total a month", "", "", "", "", statement.total_monthly, ""), "total"))
    return Sheet(
        id="budget",
        title=f"What {statement.accounts:,} accounts cost a month",
        columns=(
            Column("component"),
            Column("provider", minor=True),
            Column("product"),
            Column("quantity", right=True),
            Column("price", right=True, minor=True),
            Column("a month", right=True),
            Column("source", detail=True),
        ),
        rows=tuple(rows),
        notes=tuple(_budget_notes(statement)),
    )


def _line(line: BudgetLine, currency: str) -> Row:
    included = line.price == "0"
    stated = line.price is not None and line.price_period is not None
    price = str(PERIODS[str(line.price_period)](Decimal(str(line.price)), currency)) if stated else None
    return Row(
        (
            line.component,
            line.provider,
            line.product,
            line.quantity,
            "-" if included else price,
            "-" if included else line.monthly,
            line.source,
        )
    )


def _budget_notes(statement: Statement) -> Iterator[str]:
    yield priced_by(statement)
    if statement.unknown:
        yield (
            f"At least {statement.known_monthly}; the price is unknown of: {', '.join(statement.unknown)}."
        )
    if statement.quoted_total is not None:
        yield f"The seed says {statement.quoted_total}: " + "; ".join(
            f"{found.why} (finding {found.id})" for found in statement.findings
        )


def _premium(statement: Statement) -> Sheet:
    other = statement.premium
    assert other is not None  # noqa: S101 - the caller looked
    rows = [Row((seats.product, seats.seats, seats.price, seats.monthly)) for seats in other.seats]
    rows += [
        Row(("own domains", other.custom_accounts, "", other.custom_monthly)),
        Row(("Seats and own domains", "", "", other.without_infrastructure), "subtotal"),
        Row(("infrastructure that goes on running", "", "", other.infrastructure)),
        Row(("Total a month", "", "", other.total), "total"),
    ]
    return Sheet(
        id="premium",
        title=f"With two thirds as rented seats: {other.times_own:.1f} times as much",
        columns=(
            Column("mailboxes"),
            Column("number", right=True),
            Column("each", right=True),
            Column("a month", right=True),
        ),
        rows=tuple(rows),
        notes=(f"{other.per_account.text(3)} an account.",),
    )


def _saas(statement: Statement) -> Sheet:
    return Sheet(
        id="saas",
        title="Orchestration as a service, and what n8n of one's own saves a year",
        columns=(
            Column("service"),
            Column("a year", right=True),
            Column("saved, n8n apart", right=True),
            Column("on the orchestrator", right=True),
        ),
        rows=tuple(
            Row((service.provider, service.yearly, service.saving_apart, service.saving_shared))
            for service in statement.saas
        ),
    )


def mail_sheets(costs: MailCosts) -> Iterator[Sheet]:
    """What a mail costs, and what others ask."""
    each = (
        f"A month for one account {costs.per_account.text(4)}, domain {costs.per_domain.text(4)}, "
        f"node {costs.per_node.text(4)}."
    )
    yield Sheet(
        id="mails",
        title=f"What a mail costs: {costs.spreads[0].per_1000_mails.text(4)} for 1,000",
        columns=(
            Column("whose money"),
            Column("a month", right=True),
            Column("days", right=True, minor=True),
            Column("mails", right=True, minor=True),
            Column("per mail", right=True, minor=True),
            Column("per 1,000", right=True),
            Column("saved %", right=True),
        ),
        rows=tuple(
            Row(
                (
                    spread.what,
                    spread.total,
                    spread.days,
                    spread.mails,
                    Amount(spread.per_mail, MAIL_PLACES),
                    Amount(spread.per_1000_mails, 4),
                    Number(spread.saving_percent),
                )
            )
            for spread in costs.spreads
        ),
        notes=(
            each,
            f"prices: {costs.book}, {costs.dated}, {costs.currency}",
        ),
    )
    if costs.peers:
        yield _peers(costs)


def _peers(costs: MailCosts) -> Sheet:
    return Sheet(
        id="peers",
        title="What others ask",
        columns=(
            Column("who"),
            Column("a mailbox a month", right=True),
            Column("1,000 mails", right=True),
            Column("source", minor=True),
            Column("note", detail=True),
        ),
        rows=tuple(
            Row(
                (
                    peer.provider,
                    "-" if peer.per_mailbox is None else peer.per_mailbox,
                    "-" if peer.per_1000_mails is None else peer.per_1000_mails,
                    peer.source,
                    peer.note,
                )
            )
            for peer in costs.peers
        ),
        notes=("Prices found, not offers; ours leave out the hours of upkeep that a service takes over.",),
    )


def audit_sheet(findings: tuple[Finding, ...]) -> Sheet:
    """Every contradiction of the seed's tables."""
    return Sheet(
        id="audit",
        title=f"{len(findings)} figures of the seed document, corrected",
        columns=(
            Column("finding"),
            Column("quoted", right=True),
            Column("computed", right=True),
            Column("why"),
        ),
        rows=tuple(
            Row((found.id, "-" if found.quoted is None else found.quoted, found.computed, found.why))
            for found in findings
        ),
        prose=True,
    )


def comparison_sheet(comparison: Comparison) -> Sheet:
    """What changed since a baseline."""
    rows = [
        Row((line.id, line.quantity_before, line.quantity_after, line.before, line.after, line.difference))
        for line in comparison.lines
    ]
    total = Row(("Total", "", "", comparison.before, comparison.after, comparison.difference), "total")
    return Sheet(
        id="comparison",
        title=f"Since the baseline: {text(comparison.difference)} a month",
        columns=(
            Column("line"),
            Column("number before", right=True, minor=True),
            Column("now", right=True, minor=True),
            Column("cost before", right=True),
            Column("now", right=True),
            Column("difference", right=True),
        ),
        rows=(*rows, total),
        notes=(f"Baseline: {comparison.baseline}.",),
    )
