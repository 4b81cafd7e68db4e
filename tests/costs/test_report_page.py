"""The report's page as a browser shows it: both themes, a telephone and a desk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from costs.charges import BY_DEFAULT, EVERYTHING
from costs.holdings import Holdings
from costs.pricebook import PriceBook
from costs.report.compare import read_baseline
from costs.report.model import report
from costs.report.write import files, to_json
from costs.scaling import staircase
from tests.costs.browser import Browser

BOOKS = ("seed", "current")
CHARTS = {"budget", "curve", "capacity", "warmup"}
PAPER = {"light": (255, 255, 255), "dark": (16, 23, 28)}
MAIN = {"light": (11, 107, 99), "dark": (79, 192, 180)}
"""The page's colour of paper, and of what a chart is about, in each theme."""

MEASURE = """
(() => {
  const round = (box) => [box.left, box.top, box.width, box.height].map(Math.round);
  const seen = (element) => element.getBoundingClientRect().width > 0;
  const inside = (element) => element.closest(".scroll") && element !== element.closest(".scroll");
  return {
    width: innerWidth,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    page: [document.documentElement.scrollWidth, document.documentElement.scrollHeight],
    wide: [...document.body.querySelectorAll("*")]
      .filter((one) => !inside(one) && one.getBoundingClientRect().right > innerWidth + 0.5)
      .map((one) => one.outerHTML.slice(0, 80)),
    cut: [...document.querySelectorAll(".scroll")]
      .filter((one) => seen(one) && one.scrollWidth > one.clientWidth)
      .map((one) => one.parentElement.id + " " + one.scrollWidth + ">" + one.clientWidth),
    charts: Object.fromEntries([...document.querySelectorAll("figure")].map((figure) => {
      const shown = [...figure.querySelectorAll("svg")].filter(seen);
      const text = [...shown[0].querySelectorAll("text")].map((one) => one.getBoundingClientRect());
      const box = shown[0].getBoundingClientRect();
      return [figure.id.replace("chart-", ""), {
        shown: shown.length,
        box: round(box),
        smallest: Math.min(...text.map((one) => one.height)),
        outside: text.filter((one) => one.left < box.left - 1 || one.right > box.right + 1).length,
      }];
    })),
  };
})()
"""
"""What the page looks like, in numbers."""


class View(NamedTuple):
    """A page by its prices, in a theme, at a width."""

    book: str
    theme: str
    width: int


class Seen(NamedTuple):
    """A page in one theme at one width: what was measured in it, and its picture."""

    theme: str
    width: int
    measured: dict[str, Any]
    picture: Image.Image


@pytest.fixture(scope="module")
def pages(fleet: Holdings, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The shipped fleet's page at the seed's prices; and at today's, with all there can be on it."""
    folder = tmp_path_factory.mktemp("pages")
    made = {name: folder / f"{name}.html" for name in BOOKS}
    for name, path in made.items():
        book, scope = PriceBook.load(name), BY_DEFAULT if name == "seed" else EVERYTHING
        found = report(fleet, book, scope, limit=Decimal(400))
        if name == "current":
            (folder / "then.json").write_text(to_json(report(fleet.grown(900), book)), "utf-8")
            found = found.compared(read_baseline(folder / "then.json"))
        path.write_bytes(files(found, staircase(fleet, book, scope), date(2026, 12, 1))["report.html"])
    return made


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(
    scope="module",
    params=[View(*made) for made in product(BOOKS, ("light", "dark"), (390, 1440))],
    ids=lambda made: f"{made.book}-{made.theme}-{made.width}",
)
def view(request: pytest.FixtureRequest, pages: Mapping[str, Path], browser: Browser) -> Seen:
    made: View = request.param
    browser.show(pages[made.book], width=made.width, theme=made.theme)
    measured = browser.evaluate(MEASURE)
    return Seen(made.theme, made.width, measured, browser.picture(made.width, measured["page"][1]))


def test_the_browser_shows_the_theme_and_width_asked_for(view: Seen) -> None:
    assert (view.measured["width"], view.measured["dark"]) == (view.width, view.theme == "dark")
    assert view.picture.size == (view.width, view.measured["page"][1])


def test_nothing_overflows_the_page(view: Seen) -> None:
    assert view.measured["page"][0] == view.width
    assert view.measured["wide"] == []


def test_no_table_is_cut_off(view: Seen) -> None:
    assert view.measured["cut"] == []


def test_each_chart_is_shown_once_with_its_text_inside_and_legible(view: Seen) -> None:
    charts = view.measured["charts"]
    assert set(charts) == CHARTS
    for chart in charts.values():
        assert chart["shown"] == 1
        assert chart["outside"] == 0
        assert chart["smallest"] >= 9  # pixels of a line's height
        assert chart["box"][2] >= 0.85 * min(view.width, 1040) - 40


def test_each_chart_is_drawn_in_the_themes_colours(view: Seen) -> None:
    for name, chart in view.measured["charts"].items():
        left, top, across, down = chart["box"]
        cut = view.picture.crop((left, top, left + across, top + down))
        counted = cut.getcolors(1 << 24)
        assert counted is not None
        colours = {colour: count for count, colour in counted}
        assert colours.get(MAIN[view.theme], 0) >= 250, name


def test_the_page_is_on_the_themes_paper(view: Seen) -> None:
    assert view.picture.getpixel((2, 2)) == PAPER[view.theme]
    assert view.picture.getpixel((view.width - 3, view.measured["page"][1] - 3)) == PAPER[view.theme]


@pytest.mark.parametrize("book", BOOKS)
def test_on_paper_the_page_is_black_on_white_whatever_the_theme(
    book: str, pages: Mapping[str, Path], browser: Browser
) -> None:
    browser.show(pages[book], width=720, theme="dark", media="print")
    found = browser.evaluate("((style) => style.color + style.background)(getComputedStyle(document.body))")
    assert found.startswith("rgb(0, 0, 0)rgb(255, 255, 255)")
    measured = browser.evaluate(MEASURE)
    assert (measured["page"][0], measured["wide"]) == (720, [])
