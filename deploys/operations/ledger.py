"""What operations planned and did on a host, for whoever runs them in one process (deploys/converge.py)."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from pyinfra import context
from pyinfra.api.command import FunctionCommand
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host
from pyinfra.api.state import State

_KEY = "outreach ledger"


@dataclass
class Ledger:
    """One host's plan and its outcome.

    Args:
        planned: plan lines, in order of the operations.
        done: plan lines of what was carried out.
        remarks: what a person should know although nothing is to do.
        error: why the host failed, in one line.
    """

    planned: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    error: str | None = None


def ledger(host: Host) -> Ledger:
    """The ledger of a pyinfra host; it lives as long as the host's state."""
    found: Ledger = host.connector_data.setdefault(_KEY, Ledger())
    return found


def plan(lines: Sequence[str]) -> None:
    """Note and log what the current operation would do; only at prepare: execution evaluates it again."""
    if context.state.is_executing:
        return
    ledger(context.host).planned.extend(lines)
    for line in lines:
        context.host.log(line)


def remark(line: str) -> None:
    """Note and log what is left as it is, for a person to know; only at prepare."""
    if not context.state.is_executing:
        ledger(context.host).remarks.append(line)
        context.host.log(line)


def fail(message: str) -> Generator[FunctionCommand, None, None]:
    """End the current host's run with one line, from inside an operation.

    At prepare this raises. At execution it yields a command that fails: an exception there would end the run
    of every host.

    Raises:
        OperationError: at prepare.
    """
    if not context.state.is_executing:
        raise OperationError(message)
    yield FunctionCommand(failed, [message], {})


def failed(state: State, host: Host, message: str) -> bool:  # noqa: ARG001 - pyinfra passes both by these names
    """A command's verdict: note and log why it failed."""
    ledger(host).error = message
    host.log(message)
    return False
