"""Hosts converged by pyinfra inside this process: see what would change, change it, ask them things.

pyinfra's API mode, with two differences from its own loops. Hosts are prepared in parallel, and each goes
through its operations at its own pace: no host waits for another, and one that fails stops alone.
The caller has patched the standard library (``gevent.monkey.patch_all()``) before anything else was imported.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import gevent
from gevent.monkey import is_module_patched
from pyinfra.api.config import Config
from pyinfra.api.connect import connect_all
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.inventory import Inventory
from pyinfra.api.operations import run_host_op
from pyinfra.api.state import BaseStateCallback, State, StateStage
from pyinfra.connectors.sshuserclient.client import get_host_keys
from pyinfra.context import ctx_config, ctx_host, ctx_state

from deploys.mail.keys import PublicKeys
from deploys.operations.ledger import ledger
from deploys.site import site
from inventory import Host
from inventory.hostkeys import another, unpinned
from inventory.places import dkim_key
from inventory.settings import settings

log = logging.getLogger(__name__)

_CONNECT_SECONDS = 10


class Status(StrEnum):
    """What became of a host."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    FAILED = "failed"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class HostReport:
    """What converging a host came to, or would.

    Args:
        host: its name in the fleet.
        status: of a preview: CHANGED when something would change.
        changes: one entry a change; a unified diff may follow in the same entry, on lines of its own.
        error: one line; None unless failed or unreachable.
        seconds: since the start of the run.
        remarks: what a person should know although nothing is to do, one line each.
    """

    host: str
    status: Status
    changes: tuple[str, ...]
    error: str | None
    seconds: float
    remarks: tuple[str, ...] = ()


class Step(StrEnum):
    """How far an operation is."""

    STARTED = "started"
    UNCHANGED = "unchanged"
    CHANGED = "changed"
    FAILED = "failed"


@dataclass(frozen=True)
class Event:
    """Progress of one operation on one host."""

    host: str
    operation: str
    step: Step


def preview(hosts: Sequence[Host]) -> tuple[dict[str, HostReport], dict[str, str]]:
    """Find what converging would change, and the keys there are, over one connection. Changes nothing.

    Returns:
        A report for each host, by its name; and as :func:`dkim_public_keys`, of the hosts that could be read.
    """
    with _Run(hosts).connected() as run:
        run.prepare()
        reports = run.reports(lambda host: ledger(host).planned)
        return reports, run.public_keys()


def converge(hosts: Sequence[Host], on_event: Callable[[Event], None]) -> dict[str, HostReport]:
    """Converge hosts; one that fails or cannot be reached does not stop the others.

    Args:
        hosts: whose host keys are pinned already, see :mod:`deploys.hostkeys`.
        on_event: told of each operation on each host that has anything to change.

    Returns:
        A report for each host, by its name.
    """
    with _Run(hosts).connected() as run:
        run.prepare()
        run.execute(on_event)
        return run.reports(lambda host: ledger(host).done)


def dkim_public_keys(hosts: Sequence[Host]) -> dict[str, str]:
    """Read the public halves of the DKIM keys.

    Returns:
        The ``p=`` value (base64 of a SubjectPublicKeyInfo, RFC 6376 section 3.6.1) by domain. A domain whose
        key is not born yet, or whose node cannot be reached, is missing.
    """
    with _Run([host for host in hosts if host.data["domains"]]).connected() as run:
        return run.public_keys()


class _Run(BaseStateCallback):
    """One pyinfra state over some hosts, from connection to disconnection."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        if not is_module_patched("socket"):
            raise RuntimeError("call gevent.monkey.patch_all() before anything else is imported")
        # pyinfra and paramiko tell failures on stderr; here they are values.
        for name in ("pyinfra", "paramiko"):
            logging.getLogger(name).addHandler(logging.NullHandler())
            logging.getLogger(name).propagate = False
        self._started = time.monotonic()
        self._finished: dict[str, float] = {}
        self._unreachable: dict[str, str] = {}
        inventory = Inventory(([(host.name, dict(host.data)) for host in hosts], {}))
        self._state = State(inventory, Config(CONNECT_TIMEOUT=_CONNECT_SECONDS))
        self._state.add_callback_handler(self)

    @contextmanager
    def connected(self) -> Iterator[_Run]:
        """Connect to all hosts at once; those that refuse are noted."""
        # Keys may have been pinned since pyinfra last read the file in this process.
        get_host_keys.cache.clear()
        state = self._state
        with ctx_state.use(state):
            state.set_stage(StateStage.Connect)
            try:
                if len(state.inventory):
                    connect_all(state)
            except PyinfraError:  # not one host is left; each has its reason noted
                log.debug("no host can be reached")
            try:
                for host in state.activated_hosts:
                    _send_at_once(host)
                yield self
            finally:
                for host in state.activated_hosts:
                    _close(host)

    def host_connect_error(self, state: State, host: PyinfraHost, error: Exception) -> None:  # type: ignore[override] # noqa: ARG002 - pyinfra declares its callbacks static, and passes both by position
        """Pyinfra's callback: note why a host cannot be reached."""
        self._unreachable[host.name] = _why_unreachable(str(error), host.data.dict())
        self._finish(host)

    def prepare(self) -> None:
        """Evaluate every operation against what the hosts have."""
        self._state.set_stage(StateStage.Prepare)
        self._each(self._prepare_host, list(self._state.active_hosts))

    def execute(self, on_event: Callable[[Event], None]) -> None:
        """Carry out what was prepared, on the hosts where that is anything."""
        self._state.set_stage(StateStage.Execute)
        self._state.is_executing = True
        order = self._state.get_op_order()
        eager = [host for host in self._state.active_hosts if ledger(host).planned and not ledger(host).error]
        self._each(lambda host: self._execute_host(host, order, on_event), eager)

    def public_keys(self) -> dict[str, str]:
        """Ask each node that nothing went wrong on for the public halves of its domains' keys."""
        keys: dict[str, str] = {}

        def ask(host: PyinfraHost) -> None:
            paths = {
                dkim_key(domain.name, domain.selector): domain.name
                for domain in settings(host.data.dict()).domains
            }
            found = (host.get_fact(PublicKeys, tuple(paths)) or {}) if paths else {}
            keys.update({paths[path]: key for path, key in found.items()})

        self._each(ask, [host for host in self._state.active_hosts if not ledger(host).error])
        return keys

    def reports(self, changes: Callable[[PyinfraHost], Sequence[str]]) -> dict[str, HostReport]:
        """One report for each host."""
        return {host.name: self._report(host, changes(host)) for host in self._state.inventory}

    def _each(self, act: Callable[[PyinfraHost], None], hosts: Sequence[PyinfraHost]) -> None:
        """Act on hosts in parallel; what goes wrong on one becomes its error."""

        def guarded(host: PyinfraHost) -> None:
            try:
                with ctx_config.use(self._state.config.copy()), ctx_host.use(host):
                    act(host)
            except Exception as error:  # whatever it is, the other hosts go on
                log.debug("%s", host.name, exc_info=error)
                said = " ".join(str(error).split()) or type(error).__name__
                ledger(host).error = ledger(host).error or said
            if host in self._state.failed_hosts and not ledger(host).error:
                ledger(host).error = "it stopped answering; run again, it goes on where it stopped"
            self._finish(host)

        gevent.joinall([self._state.pool.spawn(guarded, host) for host in hosts])

    def _prepare_host(self, host: PyinfraHost) -> None:  # noqa: ARG002 - it is pyinfra's context
        site()

    def _execute_host(
        self, host: PyinfraHost, order: Sequence[str], on_event: Callable[[Event], None]
    ) -> None:
        for op_hash in order:
            label = ", ".join(self._state.get_op_meta(op_hash).names).rpartition("| ")[2]
            on_event(Event(host.name, label, Step.STARTED))
            succeeded = run_host_op(self._state, host, op_hash)
            if not succeeded:
                on_event(Event(host.name, label, Step.FAILED))
                ledger(host).error = ledger(host).error or f"{label} failed"
                return
            did_change = self._state.get_op_data_for_host(host, op_hash).operation_meta.did_change()
            on_event(Event(host.name, label, Step.CHANGED if did_change else Step.UNCHANGED))

    def _finish(self, host: PyinfraHost) -> None:
        self._finished[host.name] = time.monotonic() - self._started

    def _report(self, host: PyinfraHost, changes: Sequence[str]) -> HostReport:
        seconds = round(self._finished.get(host.name, 0.0), 2)
        if host.name in self._unreachable:
            return HostReport(host.name, Status.UNREACHABLE, (), self._unreachable[host.name], seconds)
        error = ledger(host).error
        status = Status.FAILED if error else Status.CHANGED if changes else Status.UNCHANGED
        return HostReport(host.name, status, tuple(changes), error, seconds, tuple(ledger(host).remarks))


def _send_at_once(host: PyinfraHost) -> None:
    """Turn Nagle's algorithm off, which paramiko leaves on: it holds each command back for about 40 ms."""
    client = getattr(host.connector, "client", None)
    transport = client.get_transport() if client is not None else None
    # Behind a ProxyCommand there is a pipe, which has no such option.
    if transport is not None and isinstance(transport.sock, socket.socket):
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _close(host: PyinfraHost) -> None:
    """End the session: pyinfra's own disconnect leaves it to the garbage collector."""
    client = getattr(host.connector, "client", None)
    if client is not None:
        client.close()


def _why_unreachable(error: str, data: Mapping[str, Any]) -> str:
    """Turn pyinfra's connection error into one line that says what to do."""
    file = Path(data["ssh_known_hosts_file"])
    address = data["ssh_hostname"]
    if error.startswith("SSH host key error"):
        return another(file, address)
    if "No host key for" in error:
        return unpinned(file)
    if error.startswith("Authentication error"):
        return f"root's login at {address} is refused: is your key among operators.ssh_keys? ({error})"
    return f"no SSH at {address}: {error}"
