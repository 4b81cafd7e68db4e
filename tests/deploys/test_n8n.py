"""n8n's release and services as values: what changes its name, what is closed, what workflows refer to."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from deploys.builds import ReleaseError, alone
from deploys.n8n import build as building
from deploys.n8n.release import FOLDER, N8nRelease, read_release
from deploys.n8n.services import N8nServices, n8n_services
from deploys.n8n.sheet import SheetError, sheet_header
from deploys.operations.configuration import File, Service
from deploys.orchestrator.credentials import Credentials
from deploys.workflows import load
from inventory.settings import Settings
from tests.deploys.nodes.samples import node

CREDENTIALS = Credentials(b"0123456789abcdef" * 4)


def hub(*, workers: int = 1, services: tuple[str, ...] = ("n8n",)) -> Settings:
    return node(role="orchestrator", domains=[], services=list(services), n8n_workers=workers)


def parts(workers: int = 1) -> list[Service]:
    found = n8n_services(hub(workers=workers), "2.0+r0", CREDENTIALS, "the-api-key")
    return [part for part in (found.n8n, found.credentials, found.web) if part]


def files(workers: int = 1) -> dict[str, File]:
    return {file.path: file for part in parts(workers) for file in part.files}


@pytest.mark.parametrize("host", [node(), hub(services=())], ids=["a node", "n8n is not asked for"])
def test_a_host_that_runs_no_n8n_has_nothing_of_it(host: Settings) -> None:
    assert n8n_services(host, "2.0+r0", CREDENTIALS, "key") == N8nServices()


def test_whatever_changes_in_the_lock_changes_the_releases_name(tmp_path: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        (tmp_path / name).write_text((FOLDER / name).read_text())
    assert read_release(tmp_path) == read_release()
    before = read_release().version
    lock = tmp_path / "package-lock.json"
    lock.write_text(lock.read_text().replace('"license": "MIT"', '"license": "ISC"', 1))
    assert read_release(tmp_path).version != before


def test_the_lock_holds_every_package_to_its_hash_and_names_no_registry() -> None:
    packages = json.loads(read_release().lock)["packages"]
    assert {key for key, value in packages.items() if key and "integrity" not in value} == set()
    assert {key for key, value in packages.items() if "resolved" in value} == set()


@pytest.mark.parametrize("lock", ["", "[]", '{"packages": {}}'])
def test_what_is_no_lock_is_one_line(tmp_path: Path, lock: str) -> None:
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "package-lock.json").write_text(lock)
    with pytest.raises(ReleaseError, match=r"package-lock\.json is no lock of n8n"):
        read_release(tmp_path)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OUTREACH_CACHE", str(tmp_path))
    return tmp_path / "n8n"


RELEASE = N8nRelease("1+r0", "{}", "{}")


def test_a_release_that_is_there_needs_neither_npm_nor_a_network(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    cache.mkdir()
    (cache / "1+r0.tar.zst").write_bytes(b"made before")
    assert building.build(RELEASE).read_bytes() == b"made before"


def test_without_npm_one_line_says_what_to_install(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ReleaseError, match=r"npm is not installed.*apt-get install npm"):
        building.build(RELEASE)
    assert list(cache.iterdir()) == []


def test_npm_that_fails_leaves_nothing_and_says_why(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text("#!/bin/sh\necho 'npm error code EAI_AGAIN' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npm.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(building, "_require", lambda *_tools: None)
    with pytest.raises(ReleaseError, match=r"EAI_AGAIN.*outreach n8n build"):
        building.build(RELEASE)
    assert list(cache.iterdir()) == []


def test_two_builders_do_not_build_at_once(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(ReleaseError, match="another build holds"), alone(tmp_path, 0):
        pass


def test_every_secret_is_in_a_file_that_others_cannot_read() -> None:
    secrets = {
        CREDENTIALS.password(account)
        for account in (
            "n8n owner",
            "n8n encryption",
            "n8n webhook",
            "n8n sheet",
            "postgresql n8n",
            "valkey n8n",
        )
    } | {"the-api-key", CREDENTIALS.bcrypt("n8n owner")}
    held = {word: [path for path, file in files().items() if word in file.content] for word in secrets}
    assert all(len(paths) == 1 for paths in held.values())
    for path in {path for paths in held.values() for path in paths}:
        assert files()[path].secret, path
        assert not files()[path].mode & 0o007, path
    scripts = [getattr(part, name) for part in parts() for name in ("check", "reload", "restart", "health")]
    assert not [word for word in secrets for script in scripts if word in script]


@pytest.mark.parametrize("workers", [1, 3, 9])
def test_there_are_as_many_workers_as_the_fleet_file_says(workers: int) -> None:
    unit = files(workers)["/etc/systemd/system/n8n.service"].content
    names = [f"n8n-worker@{number}.service" for number in range(1, workers + 1)]
    wants = next(line for line in unit.splitlines() if line.startswith("Wants="))
    assert wants.split()[1:] == names
    assert all(f'"{name}": 568{number}' in parts(workers)[0].health for number, name in enumerate(names, 1))


def test_n8n_listens_on_loopback_and_calls_nobody_home() -> None:
    lines = files()["/etc/outreach/n8n/env"].content.splitlines()
    settings = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert settings["N8N_LISTEN_ADDRESS"] == settings["N8N_WORKER_SERVER_ADDRESS"] == "127.0.0.1"
    assert settings["N8N_DIAGNOSTICS_ENABLED"] == settings["N8N_VERSION_NOTIFICATIONS_ENABLED"] == "false"
    assert settings["WEBHOOK_URL"] == "https://hub.infra.example/" or settings["WEBHOOK_URL"].startswith(
        "https://"
    )
    assert all(Path(value).name for name, value in settings.items() if name.endswith("_FILE"))
    assert {value for name, value in settings.items() if name.endswith("_FILE")} <= files().keys()


def test_every_credential_a_workflow_names_is_rendered() -> None:
    named = {
        (credential["id"], kind)
        for one in load()
        for each in one.document["nodes"]
        for kind, credential in (each.get("credentials") or {}).items()
    }
    rendered = json.loads(files()["/etc/outreach/n8n/credentials.json"].content)
    assert {(one["id"], one["type"]) for one in rendered} == named


def test_the_authority_is_lets_encrypts_unless_the_hosts_environment_says_otherwise() -> None:
    text = files()["/etc/caddy/Caddyfile"].content
    assert "{$ACME_DIRECTORY:https://acme-v02.api.letsencrypt.org/directory}" in text
    assert "respond /metrics 404" in text
    assert "admin unix//" in text


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("", None),
        ("Authorization: Bearer x y", ("Authorization", "Bearer x y")),
        ("X-Key:k", ("X-Key", "k")),
    ],
)
def test_the_sheets_header_is_the_operators(text: str, header: tuple[str, str] | None) -> None:
    assert sheet_header({"OUTREACH_SHEET_HEADER": text}) == header


@pytest.mark.parametrize("text", ["s3cret", "X Key: s3cret", "X-Key: s3cret\nX-More: y"])
def test_what_is_no_header_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(SheetError, match="OUTREACH_SHEET_HEADER is no header") as caught:
        sheet_header({"OUTREACH_SHEET_HEADER": text})
    assert "s3cret" not in str(caught.value)
