"""The orchestrator's REST service, which listens on loopback there: reached over SSH, as the host is.

OpenSSH carries a Unix socket of a folder that nobody else may enter to the service's port, so neither a port
is opened on this machine nor a key for the service kept on it: that is derived from the root secret.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from cli.fleet import read_fleet
from deploys.secrets import SecretError, caller_key, root_secret
from inventory import HostsError, allocate, known_hosts_file
from inventory.addresses import addresses
from inventory.places import API_PORT

CALLER = "operator"
CONNECT_SECONDS, ANSWER_SECONDS = 20.0, 180.0
PATIENCE = 90.0
"""Seconds for which a broken connection is made anew before the operator is told."""

_GONE = (OSError, http.client.HTTPException)


class HubError(Exception):
    """The orchestrator cannot be reached, or refuses; one line."""


class Hub:
    """The service of one fleet's orchestrator; use as `with`.

    Args:
        fleet: the fleet file.

    Raises:
        HubError: there is no secret, or no address of the orchestrator is known.
    """

    def __init__(self, fleet: Path) -> None:
        allocation = allocate(read_fleet(fleet))
        server, self._known_hosts = allocation.orchestrator, known_hosts_file(fleet)
        try:
            self._key = caller_key(root_secret(), CALLER, server.fqdn)
            known = addresses(allocation, self._known_hosts)
        except (SecretError, HostsError) as error:
            raise HubError(str(error)) from None
        if server.name not in known:
            raise HubError(
                f"no address of {server.name} in {self._known_hosts}: `outreach apply` writes it there"
            )
        self._address = known[server.name]
        self._name = server.name
        self._tunnel: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        """Make room for the socket."""
        self._folder = tempfile.TemporaryDirectory(prefix="outreach-")  # mode 0700
        self._socket = Path(self._folder.name, "api")
        return self

    def __exit__(self, *_: object) -> None:
        """End the connection."""
        self._hang_up()
        self._folder.cleanup()

    def ask(self, method: str, path: str) -> dict[str, object]:
        """A call without a body, again if the connection breaks.

        Raises:
            HubError: it was refused, or the orchestrator is not reached for :data:`PATIENCE` seconds.
        """
        with self._call(method, path) as answer:
            found: dict[str, object] = json.load(answer)
            return found

    def lines(self, path: str) -> Iterator[dict[str, object]]:
        """The objects of an answer in NDJSON, as they come.

        Raises:
            HubError: as for `ask`; when the connection breaks in the middle, whoever asks knows what came.
        """
        with self._call("GET", path) as answer:
            try:
                yield from map(json.loads, answer)
            except _GONE:
                self._hang_up()

    def send(self, path: str, body: BinaryIO, headers: Mapping[str, str]) -> dict[str, object]:
        """Hand a file over; with an `Idempotency-Key` among the headers a repetition does nothing twice.

        Raises:
            HubError: as for `ask`.
        """
        size = os.fstat(body.fileno()).st_size
        with self._call("POST", path, body, {**headers, "Content-Length": str(size)}) as answer:
            found: dict[str, object] = json.load(answer)
            return found

    @contextmanager
    def _call(
        self, method: str, path: str, body: BinaryIO | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        until = time.monotonic() + PATIENCE
        while True:
            line = _Line(self._socket)
            try:
                self._dial()
                if body is not None:
                    body.seek(0)
                line.request(method, path, body, {"X-API-Key": self._key, **(headers or {})})
                answer = line.getresponse()
                break
            except _GONE as error:
                line.close()
                self._hang_up()
                if time.monotonic() > until:
                    raise HubError(f"{self._name} does not answer: {error or type(error).__name__}") from None
                time.sleep(1.0)
        try:
            if answer.status >= 300:
                raise HubError(f"{self._name} refuses: {_detail(answer)}")
            yield answer
        finally:
            line.close()

    def _dial(self) -> None:
        """Have a connection.

        Raises:
            HubError: SSH says why there is none.
        """
        if self._tunnel is not None and self._tunnel.poll() is None:
            return
        self._hang_up()
        key = os.environ.get("OUTREACH_SSH_KEY")
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": f"{CONNECT_SECONDS:.0f}",
            "ExitOnForwardFailure": "yes",
            "HostKeyAlgorithms": "ssh-ed25519",
            "ServerAliveInterval": "15",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self._known_hosts),
        }
        command = [
            "ssh",
            "-N",
            "-T",
            *(word for name, text in options.items() for word in ("-o", f"{name}={text}")),
        ]
        command += ["-i", key, "-o", "IdentitiesOnly=yes"] if key else []
        command += ["-L", f"{self._socket}:127.0.0.1:{API_PORT}", f"root@{self._address}"]
        # A session of its own: Ctrl-C is for us, who still have something to say to the service.
        self._tunnel = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        until = time.monotonic() + CONNECT_SECONDS
        while not self._socket.exists():
            if self._tunnel.poll() is not None:
                said = (self._tunnel.stderr.read() if self._tunnel.stderr else "").strip().splitlines()
                raise ConnectionError(f"ssh: {said[-1] if said else 'it ended'}")
            if time.monotonic() > until:
                raise ConnectionError("ssh does not connect")
            time.sleep(0.05)

    def _hang_up(self) -> None:
        if self._tunnel is not None:
            self._tunnel.terminate()
            self._tunnel.communicate()
            self._tunnel = None
        self._socket.unlink(missing_ok=True)


class _Line(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("127.0.0.1", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        """See `HTTPConnection`."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _detail(answer: http.client.HTTPResponse) -> str:
    """What the problem body says (RFC 9457)."""
    try:
        return str(json.load(answer)["detail"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status}"
