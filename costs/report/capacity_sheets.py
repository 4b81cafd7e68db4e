"""Capacity and warm-up: as tables."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby

from costs.capacity import Capacity
from costs.limits import Limits
from costs.loads import Load
from costs.report.sheet import Cell, Column, Number, Row, Sheet
from costs.warmup import WarmupDay

OVER_RAMP = (
    "A node's one address sends more than published ramps allow a new one: warm "
    "fewer accounts a node at first, or longer."
)


def capacity_sheets(capacity: Capacity) -> Iterator[Sheet]:
    """Every load beside its limit, then the warm-up."""
    first = {load.id: load.what for load in capacity.loads}
    yield Sheet(
        id="capacity",
        title=f"What {capacity.accounts:,} accounts use; first to break: {first[capacity.first_to_break]}",
        columns=(
            Column("load"),
            Column("use", right=True),
            Column("limit", right=True),
            Column("room %", right=True, minor=True),
            Column("breaks at", right=True),
            Column("margin", right=True, detail=True),
            Column("lifted by more", detail=True),
            Column("certainty", detail=True),
            Column("source", detail=True),
        ),
        rows=tuple(
            Row(
                (
                    _named(load),
                    _short(load.use),
                    None if load.limit is None else _short(load.limit),
                    None if load.headroom_percent is None else Number(load.headroom_percent),
                    load.breaks_at,
                    None if load.margin is None else _short(load.margin),
                    load.bound_to,
                    load.certainty,
                    load.source,
                )
            )
            for load in capacity.loads
        ),
        notes=tuple(_capacity_notes(capacity, first)),
    )
    if capacity.warmup:
        yield _warmup_stages(capacity)
        yield _warmup_days(capacity)


def _named(load: Load) -> str:
    """The load with its unit, unless it says it."""
    return load.what if load.what.startswith(load.unit.split()[0]) else f"{load.what}, {load.unit}"


def _short(number: Decimal) -> Number:
    """Whole numbers without decimals."""
    return Number(number, 0 if number == number.to_integral_value() else 2)


def _capacity_notes(capacity: Capacity, names: dict[str, str]) -> Iterator[str]:
    through = f", {capacity.mails_per_proxy:.0f} a proxy" if capacity.mails_per_proxy is not None else ""
    yield (
        f"Mails a day: {capacity.mails_per_day:,}; {capacity.mails_per_node:,} a node and address, "
        f"{capacity.mails_per_domain:,} a domain{through}."
    )
    yield (
        "If nodes, domains and proxies grow with the accounts, the orchestrator's first limit is: "
        f"{names[capacity.first_to_break_when_grown]}."
    )
    link = capacity.link
    yield (
        f"{link.mails_per_hour:,} mails an hour take {link.computed_percent:.2f} % of {link.link_mbit:,} "
        f"Mbit/s, not {link.quoted_percent} %, which would need mails of {link.implied_mail_kb:.0f} kB."
    )


def _warmup_stages(capacity: Capacity) -> Sheet:
    days = capacity.warmup
    last = len(days)
    stages = [
        list(stage) for _, stage in groupby(days, key=lambda day: (day.per_account, day.published_ramp))
    ]
    return Sheet(
        id="warmup",
        title=f"Warm-up, mails a day: from {days[0].fleet:,} to {days[-1].fleet:,} in {last} days",
        columns=(
            Column("days"),
            Column("account", right=True, minor=True),
            Column("domain", right=True),
            Column("node", right=True),
            Column("fleet", right=True),
            Column("published", right=True),
            Column("times that", right=True, minor=True),
            Column("recipients", detail=True),
            Column("target", detail=True),
        ),
        rows=tuple(
            Row(
                (
                    f"{stage[0].day}-{stage[-1].day}" if len(stage) > 1 else str(stage[0].day),
                    *_warmup_cells(stage[0]),
                )
            )
            for stage in stages
        ),
        notes=(OVER_RAMP,) if any(day.times_published > 1 for day in days) else (),
    )


def _warmup_days(capacity: Capacity) -> Sheet:
    stages = _warmup_stages(capacity)
    return Sheet(
        id="warmup-days",
        title="Warm-up day by day",
        columns=(Column("day", right=True), *stages.columns[1:]),
        rows=tuple(Row((day.day, *_warmup_cells(day))) for day in capacity.warmup),
        detail=True,
    )


def _warmup_cells(day: WarmupDay) -> tuple[Cell, ...]:
    return (
        day.per_account,
        day.per_domain,
        day.per_node,
        day.fleet,
        day.published_ramp,
        Number(day.times_published),
        day.recipients,
        day.target_success,
    )


def limits_sheet(bounds: Limits) -> Sheet:
    """Every figure that bounds a fleet beside its own file, by the name `--assume` takes."""
    return Sheet(
        id="figures",
        title="Figures behind the limits",
        columns=(
            Column("name"),
            Column("value", right=True),
            Column("unit"),
            Column("certainty"),
            Column("source"),
        ),
        rows=tuple(
            Row((name, _short(figure.value), figure.unit, figure.certainty, figure.source))
            for name, figure in bounds.figures.items()
        ),
        notes=(f"Ramp of a new address: {bounds.address_ramp_source}.",),
    )
