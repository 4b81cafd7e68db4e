"""Proof that a release of n8n which spoils its database and dies is taken back, with the database."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploys.n8n.build import archive_path
from deploys.n8n.install import ROOT
from deploys.n8n.release import N8nRelease, read_release
from lab.proofs.rollback import CHECKOUT, copy_checkout, nothing_left_to_change, outreach
from lab.proofs.scene import Disproved, Scene

WORDS = "this release of n8n was broken on purpose"
_DUMP = "/var/lib/outreach/n8n/before.dump"
_BROKEN = f"""
const {{ Client }} = require('pg');
const password = require('fs').readFileSync(process.env.DB_POSTGRESDB_PASSWORD_FILE, 'utf8').trim();
const db = new Client({{ host: '127.0.0.1', user: 'n8n', database: 'n8n', password }});
db.connect()
  .then(() => db.query('DROP TABLE workflow_entity CASCADE'))
  .finally(() => {{ console.error('{WORDS}'); process.exit(1); }});
"""
"""Instead of n8n's own entry: a migration that goes wrong half way."""

# Its files are links to those of the release that runs, but for the one that is another.
_PLACE = f"""
cd {ROOT}
rm -rf "$1"
cp -al "$(readlink current)" "$1"
rm "$1/node_modules/n8n/bin/n8n"
printf %s "$2" >"$1/node_modules/n8n/bin/n8n"
"""


def broken_n8n_rolls_back(scene: Scene) -> str:
    """A release of n8n that drops a table and dies is applied: link, database and workflows are as before."""
    before = _state(scene)
    with tempfile.TemporaryDirectory() as folder:
        copy_checkout(CHECKOUT, Path(folder))
        with _placed(scene, _rename_release(Path(folder))):
            applied = outreach(
                scene, Path(folder), "apply", "--only", "nodes", "--limit", scene.orchestrator, "--yes"
            )
    if applied.returncode != 1:
        raise Disproved(
            f"the apply that switched to it ended with {applied.returncode}: {applied.stderr[-300:]}"
        )
    journal = ["journalctl", "-o", "cat", "-u", "n8n.service", "--no-pager"]
    if WORDS not in scene.run(scene.orchestrator, journal):
        raise Disproved(f"it never ran: {applied.stderr[-300:]}")
    if (after := _state(scene)) != before:
        raise Disproved(f"it left {after}; before: {before}")
    dumped = scene.run(scene.orchestrator, ["pg_restore", "--list", _DUMP])
    if "workflow_entity" not in dumped:
        raise Disproved(f"{_DUMP} has no workflows")
    nothing_left_to_change(scene)
    release, tables = before.splitlines()[:2]
    return f"it dropped a table; back at {release} with {tables} rows of workflows; the next plan is empty"


def _rename_release(checkout: Path) -> N8nRelease:
    """Make the checkout's release of n8n another one by name."""
    package = checkout / "deploys/n8n/package.json"
    package.write_text(json.dumps(json.loads(package.read_text("utf-8")) | {"description": WORDS}), "utf-8")
    return read_release(package.parent)


@contextmanager
def _placed(scene: Scene, release: N8nRelease) -> Iterator[None]:
    """Have the broken release built and delivered, for a while: building it for real takes minutes."""
    archive = archive_path(release)
    archive.unlink(missing_ok=True)
    archive.hardlink_to(archive_path(read_release()))
    try:
        scene.run(scene.orchestrator, ["sh", "-euc", _PLACE, "place", release.version, _BROKEN])
        yield
    finally:
        scene.run(scene.orchestrator, ["rm", "-rf", f"{ROOT}/{release.version}"])
        archive.unlink()


def _state(scene: Scene) -> str:
    """What n8n is and knows, a line each: release, workflows in its database, health."""
    ask = "SELECT count(*), md5(string_agg(w::text, '' ORDER BY id)) FROM workflow_entity w"
    script = f'readlink {ROOT}/current; cd /; runuser -u postgres -- psql -XqAt n8n -c "$1"; curl -sS "$2"'
    health = "http://127.0.0.1:5678/healthz/readiness"
    return scene.run(scene.orchestrator, ["sh", "-euc", script, "state", ask, health])
