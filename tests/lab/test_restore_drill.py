"""The drill: the orchestrator's host is gone, another is ordered and built, and what it knew is back."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyrage
import pytest

from deploys.n8n.build import build as build_n8n
from deploys.n8n.install import ROOT as N8N_ROOT
from deploys.n8n.release import read_release as read_n8n_release
from deploys.n8n.services import WEBHOOK_HEADER, webhook_key
from deploys.secrets import root_secret
from deploys.tools.build import build
from deploys.tools.release import read_release
from lab import Lab
from tests.lab.conftest import wait_for
from tests.stock import STOCK

ROOT = Path(__file__).resolve().parents[2]
FLEET = """
version: 1
name: drill
infra_domain: infra.example
sender: {{legal_name: Drill GmbH, postal_address: "Musterweg 1, 10115 Berlin"}}
operators: {{addresses: [198.18.0.1/32]}}
orchestrator: {{name: hub, services: [n8n]}}
nodes: [{{name: n1}}]
domains: [alpha.example]
accounts: {{per_domain: 1, names: [Anna Berg]}}
dns: {{provider: cloudflare, account: 0123456789abcdef0123456789abcdef, ttl: 300}}
backups: {{recipients: [{recipient}], to: kept, hour: 4}}
"""


class Drill:
    """A small fleet in a lab of its own, and its operator."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self.file, self.identity = folder / "drill.yaml", folder / "identity.txt"
        self.env = {**os.environ, **lab.environment(), "OUTREACH_FLEET": str(self.file)}
        made = pyrage.x25519.Identity.generate()
        self.identity.write_text(f"{made}\n")
        self.file.write_text(FLEET.format(recipient=made.to_public()))

    def outreach(self, *words: str, expect: int = 0) -> str:
        """What the command prints; on stderr where it is to fail."""
        done = self._run([str(Path(sys.executable).with_name("outreach")), *words])
        assert done.returncode == expect, f"{words}: {done.stdout[-2000:]} {done.stderr[-2000:]}"
        return done.stderr if expect else done.stdout

    def hetzner(self, *words: str) -> object:
        """What the provider answers to curl."""
        path, *options = words
        argv = ["curl", "-s", "-H", f"Authorization: Bearer {self.env['HCLOUD_TOKEN']}", *options]
        argv.append(self.env["HCLOUD_ENDPOINT"] + path)
        return json.loads(self._run(argv).stdout or "{}")

    def chat(self) -> str:
        """Everything the team was told on Telegram."""
        state = self._run(["curl", "-s", self.env["TELEGRAM_BASE_URL"] + "/_lab/state"])
        return state.stdout

    def hub(self, script: str) -> str:
        """What a shell script prints on the orchestrator."""
        return self.lab.run("hub", ["sh", "-c", script]).stdout.strip()

    def sql(self, database: str, text: str) -> str:
        """What a database's own role is answered."""
        return self.hub(f'runuser -u postgres -- psql -XqAt {database} -c "SET ROLE {database}" -c "{text}"')

    def _run(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.lab.operator_command(argv),
            env=self.env,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """The fleet after its first apply, with a row in each database."""
    folder = tmp_path_factory.mktemp("drill")
    build(read_release())  # here: operators of the lab have no way out to a package index
    n8n = read_n8n_release()
    # The dearest part of a host, and not what is tried.
    unpacked = {f"{N8N_ROOT}/{n8n.version}": build_n8n(n8n)}
    lab = Lab(folder / "lab", stock=replace(STOCK, archives=unpacked))
    lab.up()
    try:
        made = Drill(lab, folder)
        made.outreach("apply", "--yes")
        for database in ("engine", "n8n"):
            made.sql(database, "CREATE TABLE drill AS SELECT 'precious' AS word")
        yield made
    finally:
        lab.down()


@pytest.mark.lab
def test_a_backup_that_fails_is_one_line_and_the_team_is_told(drill: Drill) -> None:
    close = 'runuser -u postgres -- psql -q -c "ALTER DATABASE n8n ALLOW_CONNECTIONS {}"'
    drill.hub(close.format("false"))
    try:
        said = drill.outreach("backup", expect=1)
    finally:
        drill.hub(close.format("true"))
    assert said.count("\n") == 1
    assert "no archive could be made: database n8n cannot be dumped" in said
    assert "part" not in drill.hub("ls -A /var/lib/outreach-backup")
    wait_for(lambda: "backup of the orchestrator failed" in drill.chat())
    assert "n8n cannot be dumped" in drill.chat()


@pytest.mark.lab
def test_the_archive_is_made_confined_and_wrong_ones_touch_nothing(drill: Drill, tmp_path: Path) -> None:
    exposure = drill.hub("systemd-analyze security --no-pager outreach-backup.service | tail -n 1").split()
    assert float(exposure[exposure.index("outreach-backup.service:") + 1]) <= 3.0
    drill.outreach("backup", "--identity", str(drill.identity))
    assert (
        drill.hub("cd /var/lib/outreach-backup && sha256sum --quiet --check *.sha256 && echo well") == "well"
    )
    assert "outreach_backup_success_timestamp_seconds" in drill.hub(
        "cat /var/lib/prometheus/node-exporter/*.prom"
    )
    stranger = tmp_path / "stranger.txt"
    stranger.write_text(f"{pyrage.x25519.Identity.generate()}\n")
    said = drill.outreach("restore", "latest", "--identity", str(stranger), expect=1)
    assert "no identity that was given opens it" in said
    whole = max((drill.folder / "kept").glob("drill-2*.age"))
    short = tmp_path / "short.age"
    short.write_bytes(whole.read_bytes()[:-1])
    said = drill.outreach("restore", str(short), "--identity", str(drill.identity), "--force", expect=1)
    assert "is damaged, or not all of it is there" in said
    said = drill.outreach("restore", "latest", "--identity", str(drill.identity), expect=1)
    assert "is not empty" in said
    assert drill.sql("n8n", "SELECT word FROM drill") == "precious"


@pytest.mark.lab
def test_the_orchestrator_is_lost_and_comes_back_with_all_it_knew(drill: Drill) -> None:
    said = drill.outreach("backup", "--identity", str(drill.identity))
    assert "opens and is whole" in said
    assert "postgresql/engine, postgresql/n8n" in said
    destroy_the_orchestrator(drill)
    drill.outreach("apply", "--yes")
    assert drill.sql("n8n", "SELECT count(*) FROM pg_tables WHERE tablename = 'drill'") == "0"
    said = drill.outreach("restore", "latest", "--identity", str(drill.identity), "--force")
    assert "restored postgresql/n8n" in said
    for database in ("engine", "n8n"):
        assert drill.sql(database, "SELECT word FROM drill") == "precious"
    ask_for_the_digest(drill)
    drill.outreach("apply", "--yes")  # n8n knows another key to its API than the host that was built anew
    applied = json.loads(drill.outreach("apply", "--yes", "--json"))
    assert applied["plan"]["summary"]["create"] == applied["plan"]["summary"]["update"] == 0
    assert drill.hub("systemctl is-system-running || systemctl --failed --no-legend") in ("running", "")
    drill.outreach("backup", "--identity", str(drill.identity))


def ask_for_the_digest(drill: Drill) -> None:
    """A workflow of the restored n8n runs, and reads the credentials that it was restored with."""
    key = webhook_key(root_secret(drill.env))
    before = drill.chat().count("Fleet digest, ")
    patiently = "--retry 60 --retry-delay 2 --retry-all-errors --max-time 60"  # it has just been started
    header = f"{WEBHOOK_HEADER}: {key}"
    drill.hub(f"curl -sSf {patiently} -X POST -H '{header}' http://127.0.0.1:5678/webhook/digest")
    wait_for(lambda: drill.chat().count("Fleet digest, ") > before)


def destroy_the_orchestrator(drill: Drill) -> None:
    """Its server ends at the provider; its key is forgotten, since another host will have another."""
    found = drill.hetzner("/servers?name=hub.infra.example")
    assert isinstance(found, dict)
    (server,) = found["servers"]
    drill.hetzner(f"/servers/{server['id']}", "-X", "DELETE")
    wait_for(lambda: "hub" not in drill.lab.hosts.names(), 300)  # n8n alone has 119,000 files
    pins = drill.file.with_suffix(".known_hosts")
    pins.write_text(re.sub(r"(?m)^hub\.infra\.example,.*\n", "", pins.read_text()))
