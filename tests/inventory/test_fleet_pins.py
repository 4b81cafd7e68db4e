"""Pinning writes homes into the file and touches nothing else in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from inventory import allocate, load_fleet
from inventory.pins import PinError, pin

ROOT = Path(__file__).parents[2]

BEFORE = """\
# Kept: é, 😀
domains:
  - a.example      # bare
  - "b.example"
  - name: c.example   # block
    accounts_per_domain: 3
  - accounts_per_domain: 3

    name: 'd.example'
  - {name: e.example, accounts_per_domain: 3}  # flow
  - {accounts_per_domain: 3, "name": "f.example"}
  - name: g.example
    node: n9
  - other.example
  # last
nodes: []
"""

AFTER = """\
# Kept: é, 😀
domains:
  - {name: a.example, node: n1}      # bare
  - {name: "b.example", node: n2}
  - name: c.example   # block
    node: n3
    accounts_per_domain: 3
  - accounts_per_domain: 3

    name: 'd.example'
    node: n4
  - {name: e.example, node: n5, accounts_per_domain: 3}  # flow
  - {accounts_per_domain: 3, "name": "f.example", node: n6}
  - name: g.example
    node: n9
  - other.example
  # last
nodes: []
"""

HOMES = {f"{letter}.example": f"n{number}" for number, letter in enumerate("abcdef", start=1)} | {
    "g.example": "n9"
}


def test_every_way_to_write_a_domain_is_pinned_in_its_own_way() -> None:
    assert pin(BEFORE, HOMES) == AFTER


def test_pinning_twice_changes_nothing() -> None:
    assert pin(AFTER, HOMES) == AFTER


def test_line_ends_are_kept() -> None:
    assert pin(BEFORE.replace("\n", "\r\n"), HOMES) == AFTER.replace("\n", "\r\n")


def test_a_file_without_a_last_line_end_is_pinned() -> None:
    assert pin("domains:\n  - name: a.example", HOMES) == "domains:\n  - name: a.example\n    node: n1"
    assert pin("domains: [a.example, b.example]", HOMES) == (
        "domains: [{name: a.example, node: n1}, {name: b.example, node: n2}]"
    )


@pytest.mark.parametrize(
    "text",
    [
        "domains:\n  - name: a.example\n    node:\n",
        "domains:\n  - ? name\n    : a.example\n",
        "domains:\n  - >-\n    a.example\n",
        "domains:\n  - name: >-\n      a.example\n  - b.example\n",
    ],
)
def test_what_cannot_be_pinned_safely_is_left_to_a_person(text: str) -> None:
    with pytest.raises(PinError, match="by hand"):
        pin(text, HOMES)


@pytest.mark.parametrize("file", ["fleet.yaml", "rehearsal.yaml"])
def test_a_pinned_fleet_is_the_same_fleet(file: str, write: Callable[[str], Path]) -> None:
    before = allocate(load_fleet(ROOT / file, {}))
    text = pin((ROOT / file).read_text(), {home.domain: home.node for home in before.homes})
    after = allocate(load_fleet(write(text), {}))
    assert after.homes == before.homes
    assert all(domain.node for domain in after.fleet.domains)
    kept = [line for line in (ROOT / file).read_text().splitlines() if ".example" not in line]
    assert [line for line in text.splitlines() if ".example" not in line] == kept
