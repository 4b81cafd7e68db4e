"""Every error names file, line, field, what is wrong and what would be right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from inventory import allocate, load_fleet

Write = Callable[[str], Path]
Problems = Callable[..., list[str]]
ROOT = Path(__file__).parents[2]


def test_all_mistakes_are_said_in_the_order_of_the_file(problems: Problems, write: Write, base: str) -> None:
    text = (
        base.replace("version: 1", "version: 3").replace("- delta.example", "- DELTA").replace("hub", "Hub")
    )
    assert [line.split(" ")[0] for line in problems(write(text))] == [
        "fleet.yaml:1:",
        "fleet.yaml:10:",
        "fleet.yaml:18:",
    ]


def test_a_mistake_in_syntax_is_one_line(problems: Problems, write: Write, base: str) -> None:
    (line,) = problems(write(base.replace("name: small", 'name: "small')))
    assert line.startswith(
        "fleet.yaml:2: not YAML: while scanning a quoted scalar found unexpected end of stream"
    )


def test_a_key_given_twice_is_refused(problems: Problems, write: Write, base: str) -> None:
    assert problems(write(base + "version: 1\n")) == [
        "fleet.yaml:30: the key 'version' stands twice in this block; keep one of the two"
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "fleet.yaml:1: the file is empty; start from the fleet.yaml that is shipped"),
        (b"- a\n", "fleet.yaml:1: this list is not a block; write one `key: value` a line, indented"),
        (b"version: 1\nname: \xe9\n", "fleet.yaml:2: the byte 0xe9 is not UTF-8; save the file as UTF-8"),
        ("version: 1\n".encode("utf-16"), "fleet.yaml:1: the byte 0xff is not UTF-8; save the file as UTF-8"),
    ],
)
def test_what_is_no_fleet_file_is_said_in_one_line(
    problems: Problems, tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_bytes(content)
    assert problems(path) == [said]


def test_a_file_that_is_not_there_is_said_in_one_line(problems: Problems, tmp_path: Path) -> None:
    assert problems(tmp_path / "fleet.yaml") == [
        "fleet.yaml: no such file; name the fleet file, or write one after fleet.yaml"
    ]
    assert problems(tmp_path) == ["fleet.yaml: cannot be read (Is a directory); name a readable file"]


@pytest.mark.parametrize("change", [lambda text: "\ufeff" + text, lambda text: text.replace("\n", "\r\n")])
def test_an_editor_s_byte_order_mark_and_line_ends_do_not_matter(
    write: Write, base: str, change: Callable[[str], str]
) -> None:
    assert load_fleet(write(change(base)), {}) == load_fleet(write(base), {})


@pytest.mark.parametrize(
    ("file", "nodes", "domains", "accounts", "largest"),
    [("fleet.yaml", 8, 40, 1200, 150), ("rehearsal.yaml", 3, 6, 24, 8)],
)
def test_the_shipped_fleets_have_the_promised_size(
    file: str, nodes: int, domains: int, accounts: int, largest: int
) -> None:
    fleet = load_fleet(ROOT / file, {})
    allocation = allocate(fleet)
    assert (len(allocation.nodes), len(allocation.homes), allocation.account_count) == (
        nodes,
        domains,
        accounts,
    )
    for homes in allocation.homes_on.values():
        assert sum(len(home.mailboxes) for home in homes) == largest
    assert sum(stage.days for stage in fleet.warmup) == 35
    assert [stage.mails_per_day for stage in fleet.warmup] == [5, 10, 20, 35, 50]


def test_the_seed_s_fleet_has_its_servers_and_proxies() -> None:
    fleet = load_fleet(ROOT / "fleet.yaml", {})
    allocation = allocate(fleet)
    assert allocation.orchestrator.provider == "hetzner"
    assert allocation.orchestrator.type == "cx33"
    assert {(node.provider, node.type) for node in allocation.nodes} == {("contabo", "V153")}
    assert fleet.proxies is not None
    assert fleet.proxies.count == 150
