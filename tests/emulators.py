"""The emulated vendors as a real subprocess on loopback, for any test that talks to one.

The fixtures `emulators` and `emulator_env` come from here through tests/conftest.py.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

ACCOUNT = "023e105f4ecef8ad9ca31a8372d0c353"
"""The Cloudflare account the token is for."""

VENDORS = ("hetzner", "contabo", "cloudflare", "telegram")

_SECRETS = {
    "HCLOUD_TOKEN": "hcloud-test-token",
    "CLOUDFLARE_API_TOKEN": "cloudflare-test-token",
    "CONTABO_CLIENT_ID": "INT-14529814",
    "CONTABO_CLIENT_SECRET": "contabo-test-secret",
    "CONTABO_API_USER": "ops@operator.example",
    "CONTABO_API_PASSWORD": "contabo-test-password",
    "TELEGRAM_BOT_TOKEN": "1234567890:telegram-test-token_of_the_lab",
    "TELEGRAM_CHAT_ID": "-1001234567890",
}


class Emulators:
    """One running `python -m lab.emulators --world recording`, restartable over the same state and ports."""

    def __init__(self, state: Path, speed: float = 1.0) -> None:
        self.state_directory = state
        self.speed = speed
        self.urls: Mapping[str, str] = {}
        self._process: subprocess.Popen[str] | None = None

    @property
    def env(self) -> dict[str, str]:
        """The variables a client of the project needs: tokens, and base URLs of the emulators."""
        return {
            **_SECRETS,
            "HCLOUD_ENDPOINT": f"{self.urls['hetzner']}/v1",
            "CLOUDFLARE_BASE_URL": f"{self.urls['cloudflare']}/client/v4",
            "CONTABO_API_URL": self.urls["contabo"],
            "TELEGRAM_BASE_URL": self.urls["telegram"],
            "CONTABO_TOKEN_URL": f"{self.urls['contabo']}/auth/realms/contabo/protocol/openid-connect/token",
        }

    @property
    def alive(self) -> bool:
        """Whether it was started and neither killed nor stopped since."""
        return self._process is not None

    def start(self) -> None:
        """Start, or start again; returns once requests are served."""
        ports = [self.urls[vendor].rpartition(":")[2] if self.urls else "0" for vendor in VENDORS]
        command = [sys.executable, "-m", "lab.emulators", "--state", str(self.state_directory)]
        command += ["--listen", "127.0.0.1", "--ports", ",".join(ports), "--account", ACCOUNT]
        command += ["--speed", str(self.speed)]
        self._process = subprocess.Popen(
            command, env={**os.environ, **_SECRETS}, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the emulators did not start: exit status {self._process.wait()}"
        self.urls = json.loads(line)["ready"]

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        if process.stdout is not None:
            process.stdout.close()
        return process.wait(30)

    def fault(self, vendor: str, **fault: Any) -> int:
        """Order a fault (fields of lab.emulators.faults.Fault); its id."""
        return int(self.control("POST", vendor, "faults", fault)["id"])

    def clear_faults(self, vendor: str) -> None:
        """Take back every fault."""
        self.control("DELETE", vendor, "faults")

    def requests(self, vendor: str, method: str | None = None, path: str = "") -> list[dict[str, Any]]:
        """The request log, narrowed to a method and to paths that contain `path`."""
        query = {"path": path} if method is None else {"path": path, "method": method}
        found: list[dict[str, Any]] = self.control("GET", vendor, "requests", query=query)["requests"]
        return found

    def forget_requests(self, vendor: str) -> None:
        """Empty the request log."""
        self.control("DELETE", vendor, "requests")

    def state(self, vendor: str) -> dict[str, list[dict[str, Any]]]:
        """Everything the vendor holds, by kind."""
        found: dict[str, list[dict[str, Any]]] = self.control("GET", vendor, "state")
        return found

    def world(self) -> dict[str, dict[str, Any]]:
        """What the recording world was told, once it has been told all: `hosts`, `ptrs`, `zones`."""
        self.settle()
        found: dict[str, dict[str, Any]] = self.control("GET", "hetzner", "state")["world"]
        return found

    def reset(self) -> None:
        """Let all vendors forget everything."""
        self.control("POST", "hetzner", "reset")

    def settle(self) -> None:
        """Wait until the world has done everything that was asked of it."""
        self.control("GET", "hetzner", "settled")

    def advance(self, seconds: float) -> None:
        """Move the emulators' clock forward: tokens expire, slow work ends, limits refill."""
        self.settle()
        self.control("POST", "hetzner", "clock", {"advance": seconds})

    def settings(self, vendor: str, **numbers: float) -> None:
        """Change delays (seconds) and quotas."""
        self.control("POST", vendor, "settings", numbers)

    def limit(self, vendor: str, requests: int, seconds: float) -> None:
        """Begin another rate limit."""
        self.control("POST", vendor, "limit", {"limit": requests, "seconds": seconds})

    def foreign_zone(self, name: str) -> None:
        """Let a zone exist in somebody else's Cloudflare account."""
        self.control("POST", "cloudflare", "zones", {"name": name, "account": "f" * 32})

    def control(
        self, method: str, vendor: str, name: str, body: Any = None, query: Mapping[str, str] | None = None
    ) -> Any:
        """A request to a vendor's `/_lab` endpoint."""
        url = f"{self.urls[vendor]}/_lab/{name}"
        response = requests.request(method, url, json=body, params=query, timeout=30)
        assert response.ok, response.text
        return response.json()


@pytest.fixture(scope="session")
def emulator_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulators]:
    """One process for all tests, because each start costs a second."""
    running = Emulators(tmp_path_factory.mktemp("emulators"))
    running.start()
    yield running
    running.kill()


@pytest.fixture
def emulators(emulator_process: Emulators) -> Emulators:
    """Emulators that know nothing yet, with slow work made quick."""
    running = emulator_process
    if not running.alive:
        running.start()
    running.reset()
    running.settings("hetzner", create_seconds=0.1, action_seconds=0.05)
    running.settings("contabo", provisioning_seconds=0.1, installing_seconds=0.1)
    running.settings("cloudflare", activation_seconds=0)
    return running


@pytest.fixture
def emulator_env(emulators: Emulators, monkeypatch: pytest.MonkeyPatch) -> Emulators:
    """The same, with this process's environment set for clients of the project."""
    for name, value in emulators.env.items():
        monkeypatch.setenv(name, value)
    return emulators


def in_parallel(*functions: Callable[[], object]) -> None:
    """Run functions at the same time; the first failure is raised."""
    failures: list[BaseException] = []

    def run(function: Callable[[], object]) -> None:
        try:
            function()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
