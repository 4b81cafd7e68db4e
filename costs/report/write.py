"""The report's files: one model in every form, the same bytes for the same input."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

from costs.report.budget_sheets import audit_sheet, budget_sheets, comparison_sheet, mail_sheets
from costs.report.capacity_sheets import capacity_sheets
from costs.report.charts import png
from costs.report.drawing import Stairs, charts
from costs.report.focus import focus_csv
from costs.report.model import Report, verdict
from costs.report.page import page
from costs.report.sheet import Sheet, to_csv, to_markdown
from costs.report.size_sheets import optimum_sheets, scaling_sheets

SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"


def files(report: Report, stairs: Stairs, start: date) -> Mapping[str, bytes]:
    """Every file of the report by its name.

    Args:
        report: what is written.
        stairs: the cost curve with its steps; empty if a price is unknown.
        start: the first month of the FOCUS year.
    """
    tables, drawn = tuple(sheets(report)), tuple(charts(report, stairs))
    texts = {
        "report.json": to_json(report),
        "report.schema.json": schema(),
        "report.md": markdown(report),
        "report.html": page(report, tables, drawn),
        "focus.csv": focus_csv(report.statement, start),
        **{f"{sheet.id}.csv": to_csv(sheet) for sheet in tables},
    }
    pictures = {f"{chart.id}.png": png(chart) for chart in drawn}
    return {name: text.encode() for name, text in texts.items()} | pictures


def write(found: Mapping[str, bytes], folder: Path) -> None:
    """Write the files into a folder, which is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in found.items():
        (folder / name).write_bytes(content)


def sheets(report: Report) -> Iterator[Sheet]:
    """Every table of the report."""
    if report.comparison:
        yield comparison_sheet(report.comparison)
    yield from budget_sheets(report.statement)
    if report.mails:
        yield from mail_sheets(report.mails)
    if report.scaling:
        yield from scaling_sheets(report.scaling)
    yield from capacity_sheets(report.capacity)
    if report.optimum:
        yield from optimum_sheets(report.optimum)
    yield audit_sheet(report.audit)


def markdown(report: Report) -> str:
    """The report as Markdown, for a pull request or a chat."""
    parts = [f"# {report.statement.fleet}: what it costs\n"]
    if said := verdict(report):
        parts.append(f"**{said}**\n".replace("$", "\\$"))
    parts += [to_markdown(sheet) for sheet in sheets(report) if not sheet.detail]
    parts += [f"Without {part}: {reason}.\n" for part, reason in report.unavailable.items()]
    return "\n".join(parts)


def to_json(report: Report) -> str:
    """The report as JSON, in the form that :func:`schema` describes."""
    return json.dumps(report.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def schema() -> str:
    """The JSON Schema of the report (draft 2020-12)."""
    described = {"$schema": SCHEMA_ID, **Report.model_json_schema(mode="serialization")}
    return json.dumps(described, indent=2, ensure_ascii=False) + "\n"
