"""Dashboards as Grafana reads them, and queries that name only what is exposed.

Grafana itself is not in Debian. Its own generated types (grafana-foundation-sdk) drop what they do not know,
so whatever a dashboard loses on its way through them is a mistake in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploys.metrics.gathering import RULES
from deploys.operations.render import render
from lab.proofs.dashboards import queries

FOLDER = Path(__file__).parents[3] / "templates/grafana"
BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((FOLDER / "dashboards").glob("*.json"))}
EXPOSED: dict[str, list[str]] = json.loads((Path(__file__).parent / "exposed.json").read_text())
"""Every series of a rehearsal's Prometheus, with its labels: see docs/metrics.md."""
UNSEEN = {
    name: ["instance", "job"]
    for name in (
        "node_timex_offset_seconds",  # the kernel tells it to no container, so not to a rehearsal's hosts
        "node_timex_sync_status",
        "outreach_backup_success_timestamp_seconds",  # its rule sleeps until something exposes it
    )
}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
PANELS = {"bargauge", "row", "stat", "table", "timeseries"}
UNITS = {"Bps", "bytes", "d", "percentunit", "reqps", "s", "short"}
WIDTH = 24
Json = dict[str, Any]


def panels(board: Json) -> list[Json]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def selectors(expression: str) -> Iterator[Any]:
    """Every metric that an expression names, by Prometheus' grammar."""

    def below(node: Any) -> Iterator[Any]:
        if isinstance(node, promql_parser.VectorSelector):
            yield node
        for name in ("lhs", "rhs", "expr", "vector_selector", "args", "param"):
            inner = getattr(node, name, None)
            for each in inner if isinstance(inner, list) else [inner]:
                if each is not None and type(each).__module__ == type(node).__module__:
                    yield from below(each)

    return below(promql_parser.parse(expression))


def rules() -> Iterator[Json]:
    for name in RULES:
        for group in yaml.safe_load(render(f"prometheus/rules/{name}.yml"))["groups"]:
            yield from group["rules"]


def kept(given: Any, taken: Any, where: str) -> Iterator[str]:
    """What of a value did not come back."""
    if isinstance(given, Mapping) and isinstance(taken, Mapping):
        for key, value in given.items():
            if key not in taken:
                if value is not None and value not in ([], {}):
                    yield f"{where}.{key}"
            else:
                yield from kept(value, taken[key], f"{where}.{key}")
    elif isinstance(given, list) and isinstance(taken, list):
        if len(given) != len(taken):
            yield f"{where} has {len(taken)} of {len(given)}"
        for number, (one, other) in enumerate(zip(given, taken, strict=False)):
            yield from kept(one, other, f"{where}[{number}]")
    elif given != taken:
        yield f"{where} is {taken!r} and was {given!r}"


def through_grafana(board: Json) -> Json:
    plugins.register_default_plugins()
    taken: Json = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    return taken


def test_there_are_the_four_dashboards() -> None:
    assert set(BOARDS) == {"fleet", "host", "mail", "validation"}
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS)
    assert len({board["title"] for board in BOARDS.values()}) == len(BOARDS)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_grafanas_own_types_take_every_key_of_a_dashboard(board: Json) -> None:
    assert list(kept(board, through_grafana(board), "dashboard")) == []


@pytest.mark.parametrize("wrong", [{"panells": []}, {"refresh_": "1m"}])
def test_a_key_that_grafana_does_not_know_is_found(wrong: Json) -> None:
    board = {**BOARDS["fleet"], **wrong, "extra": 1}
    assert "dashboard.extra" in list(kept(board, through_grafana(board), "dashboard"))


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_panels_are_whole_and_none_lies_over_another(board: Json) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    cells: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert panel["type"] in PANELS, panel["title"]
        assert panel["title"]
        assert place["x"] + place["w"] <= WIDTH, panel["title"]
        covered = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not covered & cells, panel["title"]
        cells |= covered
    for panel in panels(board):
        assert panel["datasource"] == SOURCE
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["targets"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)
        assert all(target["datasource"] == SOURCE for target in panel["targets"])


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_every_variable_that_is_used_is_there_and_the_data_source_is_one(board: Json) -> None:
    there = {variable["name"] for variable in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(board["panels"])))
    assert "datasource" in there
    assert used <= there
    assert there - {"datasource"} <= used
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"])
            assert found
            (selector,) = selectors(found[1])
            assert found[2] in EXPOSED[selector.name]


RECORDED = {rule["record"]: list[str]() for rule in rules() if "record" in rule}
EXPRESSIONS = [
    *(
        (f"{name}: {expression}", expression)
        for name, board in BOARDS.items()
        for expression in queries(board, "n1")
    ),
    *((f"rule: {rule['expr']}", rule["expr"]) for rule in rules()),
]


def test_every_query_parses_and_names_only_metrics_and_labels_that_are_exposed() -> None:
    assert len(EXPRESSIONS) > 90
    known = {**EXPOSED, **UNSEEN, **RECORDED}
    for where, expression in EXPRESSIONS:
        named = list(selectors(expression))
        assert named or "vector(" in expression, where
        for selector in named:
            assert selector.name in known, f"{where}: nobody exposes {selector.name}"
            labels = {matcher.name for matcher in selector.matchers.matchers}
            assert labels <= {*known[selector.name]}, f"{where}: {selector.name} has no {labels}"


def test_a_metric_that_nobody_exposes_is_found() -> None:
    names = [
        selector.name
        for selector in selectors(
            'sum(rate(a{x="1"}[5m])) / on(y) group_left max by (z) (b) or absent(c) > 2'
        )
    ]
    assert names == ["a", "b", "c"]


def test_provisioning_names_the_folder_of_the_dashboards_and_one_source() -> None:
    (source,) = yaml.safe_load((FOLDER / "provisioning/datasources/outreach.yaml").read_text())["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://127.0.0.1:9090")
    (provider,) = yaml.safe_load((FOLDER / "provisioning/dashboards/outreach.yaml").read_text())["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards/outreach"
