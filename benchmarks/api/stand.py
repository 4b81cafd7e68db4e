"""What the benchmarks of the REST service stand on: the service, mail servers, and an emulated Telegram."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from api.keys import Scope
from tests.api.running import Running, free_port, running
from tests.emulators import Emulators

DELAY = "0.02"
"""Seconds until a reply of the mail servers."""
HURRY = 20.0
"""So many seconds pass for Telegram and the notifier in one: a group takes 20 messages a minute."""

_VALIDATOR = """helo = "probe.test"
resolver = "127.0.0.1:{dns}"
smtp_port = {smtp}
rate_limit = 0.0
[[operator]]
name = "default"
connections = 0
recipients = 0
rate = 0
connects = 0
daily = 0
"""


@contextmanager
def standing(folder: Path, callers: int) -> Iterator[tuple[Running, list[str]]]:
    """The service with its default limits, and the keys of its callers."""
    with ExitStack() as stack:
        smtp, dns = free_port(), free_port()
        _sink(stack, smtp, dns)
        telegram = Emulators(folder, HURRY)
        telegram.start()
        stack.callback(telegram.kill)
        service = Running(folder)
        service.limits = {}
        settings = folder / "validator.toml"
        settings.write_text(_VALIDATOR.format(smtp=smtp, dns=dns))
        service.settings["validator"] = str(settings)
        service.environ |= {"OUTREACH_ALLOW_PRIVATE": "1", "NOTIFIER_TEST_SPEED": str(HURRY)}
        service.environ |= {
            name: value for name, value in telegram.env.items() if name.startswith("TELEGRAM")
        }
        scopes = (Scope.VALIDATE, Scope.JOBS, Scope.NOTIFY)
        keys = [service.add_key(f"caller-{number}", *scopes) for number in range(callers)]
        yield stack.enter_context(running(service)), keys


def processor_seconds(service: Running) -> float:
    """Time of a processor that the service took so far."""
    stat = Path(f"/proc/{service.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def _sink(stack: ExitStack, smtp: int, dns: int) -> None:
    command = [sys.executable, "-m", "benchmarks.validator.sink", str(smtp), str(dns), DELAY]
    sink = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
    stack.callback(sink.terminate)
    if sink.stdout is None or sink.stdout.readline() != b"ready\n":
        raise SystemExit("the sink does not start; is its port taken?")
