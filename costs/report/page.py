"""The report as one HTML page: no network, no script, light, dark and print."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from costs.report.charts import svg
from costs.report.drawing import Chart
from costs.report.model import Report, verdict
from costs.report.sheet import UNKNOWN, Sheet, text

TEMPLATE = Path(__file__).parent / "page.html.j2"


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the page.

    Args:
        id: its anchor.
        title: its heading.
        charts: what is drawn in it, before the tables.
        sheets: its tables.
    """

    id: str
    title: str
    charts: tuple[Chart, ...]
    sheets: tuple[Sheet, ...]


SECTIONS = (
    ("changes", "What changed", (), ("comparison",)),
    ("budget", "What it costs", ("budget",), ("budget", "mails", "premium", "saas", "peers")),
    ("size", "At another size", ("curve",), ("scaling", "steps", "curve")),
    ("capacity", "What it carries", ("capacity",), ("capacity",)),
    ("warmup", "How it warms up", ("warmup",), ("warmup",)),
    ("choice", "What would be cheapest", (), ("choice", "limits")),
    ("audit", "What the seed document got wrong", (), ("audit",)),
)


FOLDED = {"curve"}
"""Long tables that a chart already shows: closed until asked for."""


def page(report: Report, sheets: Iterable[Sheet], charts: Iterable[Chart]) -> str:
    """The whole page.

    Args:
        report: what it is about.
        sheets: its tables.
        charts: its charts.
    """
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - part of the laptop's extra only

    by_id, drawn = {sheet.id: sheet for sheet in sheets}, {chart.id: chart for chart in charts}
    sections = [
        Section(
            name,
            title,
            tuple(drawn[chart] for chart in pictures if chart in drawn),
            tuple(by_id[table] for table in tables if table in by_id),
        )
        for name, title, pictures, tables in SECTIONS
    ]
    environment = Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    template = environment.from_string(TEMPLATE.read_text("utf-8"))
    return template.render(
        report=report,
        statement=report.statement,
        facts=_facts(report),
        verdict=verdict(report),
        sections=[section for section in sections if section.charts or section.sheets],
        cell=text,
        svg=svg,
        FOLDED=FOLDED,
    )


def _facts(report: Report) -> list[tuple[str, str]]:
    """The figures at the top: what, and how much."""
    carried, mails = report.capacity, report.mails
    facts = [
        ("accounts", f"{carried.accounts:,}"),
        ("mails a day", f"{carried.mails_per_day:,}"),
        ("for an account", mails.per_account.text(3) if mails else UNKNOWN),
        ("for 1,000 mails", mails.spreads[0].per_1000_mails.text(3) if mails else UNKNOWN),
    ]
    if report.statement.quoted_total is not None:
        facts.append(("the seed says", report.statement.quoted_total.text()))
    if report.comparison and report.comparison.difference is not None:
        change = report.comparison.difference
        facts.append(("since the baseline", ("+" if change.amount > 0 else "") + change.text()))
    return facts
