"""What each chart of the report shows: its title, its units, and how it is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from costs.capacity import Capacity
from costs.charges import Component
from costs.holdings import FULL_MONTH
from costs.loads import Load
from costs.money import SYMBOLS
from costs.report.model import Report
from costs.scaling import Scaling
from costs.statement import Statement

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Stairs = tuple[tuple[int, Decimal], ...]


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours by what they mean.

    Args:
        ink: text.
        muted: axes and what is less important.
        grid: lines behind.
        main: what the chart is about.
        second: what it is compared with.
        alarm: what is wrong.
    """

    ink: str
    muted: str
    grid: str
    main: str
    second: str
    alarm: str


class Draw(Protocol):
    """Draws on axes."""

    def __call__(self, axes: Axes, palette: Palette, *, narrow: bool) -> None:
        """Draw.

        Args:
            axes: on which.
            palette: in which colours.
            narrow: whether for a telephone.
        """


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart.

    Args:
        id: its name in file names and anchors.
        title: what to see in it.
        draw: puts it on axes, units and all.
        height: in inches.
    """

    id: str
    title: str
    draw: Draw
    height: float = 3.4


def charts(report: Report, stairs: Stairs) -> Iterator[Chart]:
    """Every chart of a report; those without data are left out.

    Args:
        report: what is shown.
        stairs: the cost curve with its steps; empty if a price is unknown.
    """
    yield _budget(report.statement)
    if report.scaling and stairs:
        yield _curve(report.scaling, stairs, report.capacity)
    yield _capacity(report.capacity)
    if report.capacity.warmup:
        yield _warmup(report.capacity)


def _budget(statement: Statement) -> Chart:
    symbol = SYMBOLS.get(statement.currency, statement.currency)
    found = [(component, statement.component(component)) for component in Component]
    bars = sorted(
        ((cost, component) for component, cost in found if cost.amount), key=lambda bar: bar[0].amount
    )
    total = statement.known_monthly
    title = "No component has a known price"
    if bars:
        most, name = bars[-1]
        title = f"{name.capitalize()} take {most.ratio(total) * 100:.0f} % of {total.text()} a month"

    def draw(axes: Axes, palette: Palette, *, narrow: bool) -> None:
        values = [float(cost.amount) for cost, _ in bars]
        names = [str(component) for _, component in bars]
        axes.barh(names, values, color=palette.main, height=0.62)
        for at, (cost, _) in enumerate(bars):
            axes.annotate(
                cost.text(),
                (float(cost.amount), at),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                color=palette.ink,
            )
        axes.set_xlim(0, max(values, default=1) * (1.32 if narrow else 1.14))
        axes.set_xlabel(f"{symbol} a month")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.grid(axis="x", color=palette.grid, linewidth=0.8)
        axes.tick_params(axis="y", length=0)

    return Chart("budget", title, draw, 0.8 + 0.42 * max(len(bars), 1))


def _curve(scaling: Scaling, stairs: Stairs, capacity: Capacity) -> Chart:
    symbol = SYMBOLS.get(scaling.currency, scaling.currency)
    mails = capacity.mails_per_day // capacity.accounts * FULL_MONTH
    floor = float(scaling.marginal.on_average.amount / mails * 1000)
    saving = scaling.saving.at_most_percent

    def draw(axes: Axes, palette: Palette, *, narrow: bool) -> None:
        axes.plot(
            [at for at, _ in stairs], [float(cost) for _, cost in stairs], color=palette.main, linewidth=1.5
        )
        axes.axhline(floor, color=palette.second, linewidth=1.2, linestyle=(0, (5, 3)))
        axes.annotate(
            f"never below {symbol}{floor:.3f}",
            (1_000_000, floor),
            xytext=(0, -12),
            textcoords="offset points",
            ha="right",
            color=palette.second,
        )
        for at, lift in ((scaling.base, 30), (scaling.computed, 16)):
            cost = at.per_1000_mails
            axes.plot([at.accounts], [float(cost.amount)], "o", color=palette.ink, markersize=4.5)
            axes.annotate(
                f"{at.accounts:,}: {cost.text(3)}",
                (at.accounts, float(cost.amount)),
                xytext=(8, lift),
                textcoords="offset points",
                color=palette.ink,
                arrowprops={"arrowstyle": "-", "color": palette.muted, "linewidth": 0.8},
            )
        axes.set_xscale("log")
        axes.set_xlim(stairs[0][0], 1_000_000)
        axes.set_ylim(0, max(float(cost) for _, cost in stairs) * 1.06)
        ticks = [100, 1_000, 10_000, 100_000, 1_000_000]
        axes.set_xticks(
            ticks, ["100", "1,000", "10,000", "100,000", "1 million"] if not narrow else _short(ticks)
        )
        axes.minorticks_off()
        axes.set_xlabel("accounts, logarithmic" if not narrow else "accounts")
        axes.set_ylabel(f"{symbol} for 1,000 mails")
        axes.grid(color=palette.grid, linewidth=0.8)

    title = f"Growth makes a mail cheaper, by {saving:.1f} % at most; each step is a node or domain bought"
    return Chart("curve", title, draw)


def _short(ticks: list[int]) -> list[str]:
    return [
        f"{tick // 1000}k" if 1000 <= tick < 10**6 else "1M" if tick == 10**6 else str(tick) for tick in ticks
    ]


def _capacity(capacity: Capacity) -> Chart:
    known = [load for load in capacity.loads if load.limit is not None]
    shown = sorted(known, key=_used)
    full = [load for load in shown if _used(load) >= 100]
    title = (
        f"{len(full)} of {len(shown)} limits are reached: no account fits in before a node is added"
        if full
        else f"{_used(shown[-1]):.0f} % of the tightest limit is used: {shown[-1].what}"
    )

    def draw(axes: Axes, palette: Palette, *, narrow: bool) -> None:
        for at, load in enumerate(shown):
            used = _used(load)
            axes.barh(
                at,
                min(used, 100),
                color=palette.alarm if used >= 100 else palette.main,
                height=0.34 if narrow else 0.6,
            )
            limit = load.limit
            of = f"{_plain(load.use)} of {_plain(limit)} {load.unit}" if limit is not None else ""
            if narrow:
                axes.text(0, at + 0.24, f"{load.what}: {of}", color=palette.ink, va="bottom", fontsize=7)
            else:
                axes.text(103, at, of, color=palette.ink, va="center", fontsize=7.5)
        axes.axvline(100, color=palette.muted, linewidth=1)
        axes.set_yticks(range(len(shown)), [""] * len(shown) if narrow else [load.what for load in shown])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(-0.6, len(shown) - 0.2)
        axes.set_xlim(0, 108 if narrow else 150)
        axes.set_xticks([0, 25, 50, 75, 100])
        axes.set_xlabel("% of the limit used")
        axes.grid(axis="x", color=palette.grid, linewidth=0.8)

    return Chart("capacity", title, draw, 0.8 + 0.29 * len(shown))


def _used(load: Load) -> float:
    return float(load.use * 100 / load.limit) if load.limit else 0.0


def _plain(number: Decimal) -> str:
    return f"{number:,.0f}" if number == number.to_integral_value() else f"{number:,.2f}"


def _warmup(capacity: Capacity) -> Chart:
    days = capacity.warmup
    times = [day.times_published for day in days]
    title = (
        f"Each node's new address would send {min(times):.0f} to {max(times):.0f} times what published "
        "ramps allow"
        if max(times) > 1
        else "A node's new address stays within what published ramps allow"
    )

    def draw(axes: Axes, palette: Palette, *, narrow: bool) -> None:
        edges = [*(day.day for day in days), len(days) + 1]
        plan = [day.per_node for day in days]
        ramp = [day.published_ramp for day in days]
        axes.stairs(plan, edges, color=palette.main, fill=True, alpha=0.16)
        axes.stairs(plan, edges, color=palette.main, linewidth=1.8, baseline=None)
        axes.stairs(ramp, edges, color=palette.alarm, linewidth=1.6, linestyle=(0, (5, 3)), baseline=None)
        axes.annotate(
            "plan, a node",
            (edges[-1], plan[-1]),
            xytext=(-4, 5),
            textcoords="offset points",
            ha="right",
            color=palette.main,
        )
        axes.annotate(
            "published ramps",
            (edges[-1], ramp[-1]),
            xytext=(-4, 5),
            textcoords="offset points",
            ha="right",
            color=palette.alarm,
        )
        axes.set_xlim(1, edges[-1])
        axes.set_ylim(0, max(*plan, *ramp) * 1.14)
        axes.set_xticks(range(1, edges[-1], 7))
        axes.set_xlabel("day of the warm-up")
        axes.set_ylabel("mails a day from one address")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.grid(axis="y", color=palette.grid, linewidth=0.8)
        del narrow

    return Chart("warmup", title, draw)
