"""The containers' files: what compose makes of them, without Docker."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from api.config import load_config

HERE = Path(__file__).parents[1]
COMPOSE = Path(sys.executable).with_name("docker-compose")
EXAMPLE = HERE / "docker" / "env.example"
NAMES = re.findall(r"^([A-Z0-9_]+)=$", EXAMPLE.read_text(), re.MULTILINE)


def compose(values: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    files = ["--file", str(HERE / "docker-compose.yml"), "--env-file", str(EXAMPLE)]
    return subprocess.run(
        [str(COMPOSE), *files, "--profile", "*", "config", *arguments],
        env={"PATH": os.environ["PATH"], **values},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    """Every service as compose would start it."""
    done = compose({name: f"value-of-{name}" for name in NAMES}, "--format", "json")
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)["services"]
    return found


@pytest.mark.parametrize("missing", [name for name in NAMES if not name.startswith("TELEGRAM_")])
def test_without_a_secret_nothing_starts_and_it_is_named(missing: str) -> None:
    done = compose({name: "any" for name in NAMES if name != missing}, "--quiet")
    assert done.returncode != 0
    assert f"{missing} is missing a value: is missing, see docs/docker.md" in done.stderr


def test_ports_are_published_on_loopback_alone(services: dict[str, dict[str, Any]]) -> None:
    published = {
        (port["host_ip"], port["published"])
        for service in services.values()
        for port in service.get("ports", [])
    }
    assert published == {("127.0.0.1", "8025"), ("127.0.0.1", "5678")}


def test_every_service_is_watched_pinned_and_without_privileges(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        if name != "api":  # its check is the image's
            assert service["healthcheck"]["test"], name
        assert re.search(r":(local|\d[\w.-]*)$", service["image"]), name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    assert "HEALTHCHECK" in (HERE / "Dockerfile").read_text()
    assert services["n8n"]["image"] == "n8nio/n8n:2.41.1"
    assert services["n8n-runners"]["image"] == "n8nio/runners:2.41.1"
    assert services["postgres"]["image"].startswith("postgres:17")


def test_databases_and_runners_have_no_way_out(services: dict[str, dict[str, Any]]) -> None:
    done = compose(dict.fromkeys(NAMES, "any"), "--format", "json")
    networks = json.loads(done.stdout)["networks"]
    inner = {name for name, network in networks.items() if network.get("internal")}
    for name in ("postgres", "valkey", "n8n-runners"):
        assert set(services[name]["networks"]) <= inner, name
    assert not set(services["api"]["networks"]) & inner


def test_each_secret_reaches_only_those_that_need_it(services: dict[str, dict[str, Any]]) -> None:
    seen = {
        name: {
            service
            for service, found in services.items()
            if f"value-of-{name}" in json.dumps(found.get("environment", {}))
        }
        for name in NAMES
    }
    n8n = {"n8n", "n8n-worker"}
    assert seen == {
        "POSTGRES_PASSWORD": {*n8n, "postgres"},
        "VALKEY_PASSWORD": {*n8n, "valkey"},
        "N8N_ENCRYPTION_KEY": n8n,
        "N8N_RUNNERS_AUTH_TOKEN": {*n8n, "n8n-runners"},
        "TELEGRAM_BOT_TOKEN": {"api", "notifier"},
        "TELEGRAM_CHAT_ID": {"api", "notifier"},
    }
    for found in services.values():
        assert "value-of-" not in json.dumps(found.get("command"))


def test_n8n_tells_nobody_anything(services: dict[str, dict[str, Any]]) -> None:
    for name in ("n8n", "n8n-worker"):
        environment = services[name]["environment"]
        for what in (
            "DIAGNOSTICS",
            "VERSION_NOTIFICATIONS",
            "TEMPLATES",
            "PERSONALIZATION",
            "DYNAMIC_BANNERS",
        ):
            assert environment[f"N8N_{what}_ENABLED"] == "false"
        assert "mcp-registry" in environment["N8N_DISABLED_MODULES"].split(",")


def test_the_image_holds_what_the_service_takes_and_runs_as_nobody_special() -> None:
    lines = (HERE / "Dockerfile").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users == ["10025:10025"]
    allowed = {
        line.removeprefix("!/")
        for line in (HERE / ".dockerignore").read_text().splitlines()
        if line[:1] == "!"
    }
    copied = {
        source.removeprefix("./")
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    }
    assert copied == allowed
    assert all((HERE / source).exists() for source in copied)
    config = load_config(HERE / "docker" / "api.toml")
    assert config.endpoint == ("0.0.0.0", 8025)
    assert str(config.state) == "/var/lib/outreach"
