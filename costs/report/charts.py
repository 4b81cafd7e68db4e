"""A chart as SVG in the page's own colours, and as PNG: the same input gives the same bytes."""

from __future__ import annotations

import io
import re
from contextlib import AbstractContextManager
from html import escape
from textwrap import fill
from typing import TYPE_CHECKING

from costs.report.drawing import Chart, Palette

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PRINTED = Palette("#16212b", "#5b6873", "#dde3e8", "#0b6b63", "#8a6d1f", "#b3361b")
"""Colours on white, for PNG."""

SLOTS = Palette("#010101", "#020202", "#030303", "#040404", "#050505", "#060606")
"""Stand-ins for the variables of the page's style sheet."""

VARIABLES = {
    SLOTS.ink: "var(--ink)",
    SLOTS.muted: "var(--muted)",
    SLOTS.grid: "var(--grid)",
    SLOTS.main: "var(--main)",
    SLOTS.second: "var(--second)",
    SLOTS.alarm: "var(--alarm)",
}

WIDE, NARROW = 8.6, 3.7
"""Widths in inches: for a desk and for a telephone. Text has one size on both."""

DPI = 140


def svg(chart: Chart, *, narrow: bool) -> str:
    """The chart as an SVG element for a page that defines the palette's variables.

    Args:
        chart: what to draw.
        narrow: whether for a telephone.
    """
    out = io.StringIO()
    with _settings(f"{chart.id}-{'narrow' if narrow else 'wide'}"):
        _figure(chart, SLOTS, narrow=narrow).savefig(
            out, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' (?:width|height)="[0-9.]+pt"', "", text, count=2)
    text = re.sub(r"font: ([0-9.]+px) [^;\"]*", r"font-size: \1", text)
    for stand_in, variable in VARIABLES.items():
        text = text.replace(stand_in, variable)
    return text.replace("<svg ", f'<svg role="img" aria-label="{escape(chart.title)}" ', 1).strip()


def png(chart: Chart) -> bytes:
    """The chart as a PNG on white with its title in it, for chat."""
    out = io.BytesIO()
    with _settings(chart.id):
        figure = _figure(chart, PRINTED, narrow=False)
        figure.suptitle(
            fill(chart.title, 90), x=0.012, ha="left", fontsize=10.5, fontweight="bold", color=PRINTED.ink
        )
        figure.savefig(out, format="png", dpi=DPI, facecolor="white", metadata={"Software": None})
    return out.getvalue()


def _settings(salt: str) -> AbstractContextManager[None]:
    import matplotlib as mpl  # noqa: PLC0415 - slow to import, and part of the laptop's extra only

    return mpl.rc_context(
        {
            "font.family": ["DejaVu Sans"],  # comes with matplotlib, so the same on every machine
            "font.size": 8.5,
            "svg.fonttype": "none",
            "svg.hashsalt": salt,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
        }
    )


def _figure(chart: Chart, palette: Palette, *, narrow: bool) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: PLC0415

    margins = ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.07)
    figure = Figure(figsize=(NARROW if narrow else WIDE, chart.height), layout=margins)
    axes = figure.subplots()
    axes.set_facecolor("none")
    chart.draw(axes, palette, narrow=narrow)
    for spine in axes.spines.values():
        spine.set_color(palette.muted)
    axes.tick_params(colors=palette.muted, labelcolor=palette.ink)
    axes.xaxis.label.set_color(palette.muted)
    axes.yaxis.label.set_color(palette.muted)
    return figure
