"""`outreach fleet` and `outreach accounts`, run as a user runs them."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from deploys.secrets import account_password
from inventory import document
from inventory.schema import schema

ROOT = Path(__file__).parents[2]
SECRET = "0123456789abcdef0123456789abcdef"
Write = Callable[[str], Path]


def outreach(*args: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("outreach"), *args],
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def shown(*args: str | Path) -> dict[str, Any]:
    run = outreach("fleet", "show", "--json", *args)
    assert run.returncode == 0, run.stderr
    value: dict[str, Any] = json.loads(run.stdout)
    return value


def test_check_says_ok_in_one_line(write: Write, base: str) -> None:
    path = write(base)
    run = outreach("fleet", "check", path)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == f"{path}: ok: 1 orchestrator, 2 nodes, 4 domains (0 pinned), 8 accounts\n"


def test_check_says_each_problem_on_stderr_and_fails(write: Write, base: str) -> None:
    path = write(base.replace("alpha.example", "ALPHA").replace("version: 1", "version: 0"))
    run = outreach("fleet", "check", OUTREACH_FLEET=str(path))
    assert (run.returncode, run.stdout) == (1, "")
    assert [line.split(" ")[0] for line in run.stderr.splitlines()] == [f"{path}:1:", f"{path}:15:"]


def test_show_lists_nodes_with_what_they_hold(write: Write, base: str) -> None:
    run = outreach("fleet", "show", write(base))
    assert run.returncode == 0, run.stderr
    for part in ("hub", "hetzner cx33 fsn1", "n2", "contabo V153 EU", "2/2", "4/4", "charlie.example"):
        assert part in run.stdout
    assert "4 domains in room for 4, 8 accounts in room for 8" in run.stdout


def test_show_as_json_names_every_domain_s_home(write: Write, base: str) -> None:
    value = shown(write(base))
    assert (value["domains"], value["accounts"], value["orchestrator"]["fqdn"]) == (4, 8, "hub.infra.example")
    assert [[domain["name"] for domain in node["domains"]] for node in value["nodes"]] == [
        ["alpha.example", "bravo.example"],
        ["charlie.example", "delta.example"],
    ]


def test_a_lost_node_s_domains_are_named_with_where_they_go(write: Write, base: str) -> None:
    path = write(base.replace("count: 2", "count: 2\n  - name: spare\n    max_domains: 1"))
    assert shown(path, "--node-lost", "n1")["moves"] == {"alpha.example": "spare", "bravo.example": None}
    run = outreach("fleet", "show", path, "--node-lost", "n1")
    assert "1 of 2 domains would find room elsewhere." in run.stdout
    run = outreach("fleet", "show", path, "--node-lost", "n9")
    assert run.returncode == 1
    assert run.stderr == f"outreach: {path} has no node 'n9'; it has n1, n2, spare\n"


def test_pin_writes_homes_that_then_survive_an_insertion(write: Write, base: str) -> None:
    path = write(base)
    path.chmod(0o640)
    before = {domain["name"]: node["name"] for node in shown(path)["nodes"] for domain in node["domains"]}
    run = outreach("fleet", "pin", path)
    assert (run.returncode, run.stdout) == (0, f"{path}: pinned 4 domains, 0 were already\n")
    assert path.stat().st_mode & 0o777 == 0o640
    assert "  - {name: charlie.example, node: n2}  # a comment\n" in path.read_text()
    text = path.read_text().replace("domains:\n", "domains:\n  - zulu.example\n")
    path.write_text(text.replace("count: 2", "count: 3"))
    after = {domain["name"]: node["name"] for node in shown(path)["nodes"] for domain in node["domains"]}
    assert after == before | {"zulu.example": "n3"}
    assert outreach("fleet", "pin", path).stdout == f"{path}: pinned 1 domains, 4 were already\n"
    assert sorted(path.parent.iterdir()) == [path]


def test_the_shipped_schema_is_current() -> None:
    assert (ROOT / "fleet.schema.json").read_text() == schema()
    assert outreach("fleet", "schema").stdout == schema()


def test_the_schema_accepts_the_shipped_fleets_and_refuses_what_the_loader_refuses(base: str) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(schema()))
    validator.check_schema(validator.schema)
    for file in ("fleet.yaml", "rehearsal.yaml"):
        text = (ROOT / file).read_text()
        validator.validate(document.parse(text))
        assert text.startswith("# yaml-language-server: $schema=./fleet.schema.json\n")
    for old, new in [
        ("version: 1", "version: 2"),
        ("per_domain", "per_domian"),
        ("alpha.example", "ALPHA"),
        ("count: 2", "count: two"),
        ("count: 2", "provider: aws"),
        ("name: small\n", ""),
    ]:
        assert not validator.is_valid(document.parse(base.replace(old, new))), new


def test_accounts_are_exported_as_csv_with_all_a_mail_client_asks(write: Write, base: str) -> None:
    run = outreach("accounts", "export", write(base), OUTREACH_SECRET=SECRET)
    assert run.returncode == 0, run.stderr
    rows = list(csv.DictReader(io.StringIO(run.stdout)))
    assert len(rows) == 8
    assert rows[-1] == {
        "address": "jonas.weber@delta.example",
        "display_name": "Jonas Weber",
        "username": "jonas.weber@delta.example",
        "password": account_password(SECRET.encode(), "jonas.weber@delta.example"),
        "imap_host": "n2.infra.example",
        "imap_port": "993",
        "imap_tls": "implicit",
        "smtp_host": "n2.infra.example",
        "smtp_port": "465",
        "smtp_tls": "implicit",
    }


def test_accounts_exported_to_a_file_are_for_its_owner_alone(write: Write, base: str, tmp_path: Path) -> None:
    output = tmp_path / "accounts.json"
    output.write_text("old")
    output.chmod(0o644)
    run = outreach(
        "accounts", "export", write(base), "--format", "json", "-o", output, OUTREACH_SECRET=SECRET
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert output.stat().st_mode & 0o777 == 0o600
    assert len(json.loads(output.read_text())) == 8
    run = outreach("accounts", "export", write(base), "-o", tmp_path / "no" / "x", OUTREACH_SECRET=SECRET)
    assert run.returncode == 1
    assert run.stderr == f"outreach: {tmp_path}/no/x cannot be written (No such file or directory)\n"


@pytest.mark.parametrize(
    ("environ", "said"),
    [({}, "OUTREACH_SECRET is not set"), ({"OUTREACH_SECRET": "short"}, "has 5 characters")],
)
def test_no_account_is_exported_without_a_strong_secret(
    write: Write, base: str, environ: dict[str, str], said: str
) -> None:
    run = outreach("accounts", "export", write(base), **environ)
    assert (run.returncode, run.stdout) == (1, "")
    assert said in run.stderr
    assert "short" not in run.stderr.replace("shorter", "")
    assert len(run.stderr.splitlines()) == 1
