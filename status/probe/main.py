"""What is asked of a host, and its answer.

Asked is JSON: `units`, `mail` (whether it sends any), `keys` (path by domain), `certificate` (path),
`recipients` (that must be accepted), `knocks` (a list of address and port), `outgoing` (addresses of a mail
server of others), `hub` (null, or `name`, `address` and `n8n_workers` of the orchestrator). The answer is
one line of JSON, which :class:`status.facts.HostFacts` reads; a section that cannot be read is missing, and
`errors` has its reason.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from status.probe import engine, machine, mail, n8n, tls, tools
from status.probe.asked import Refused, checked

Sections = dict[str, Callable[[], Any]]


def sections(asked: Mapping[str, Any]) -> Sections:
    """What to read, by the name it has in the facts."""
    found: Sections = {
        "updates": machine.updates,  # the slowest first
        "units": lambda: machine.units(asked["units"]),
        "failed": machine.failed,
        "listening": machine.listening,
        "firewall": machine.firewall,
        "sshd": machine.sshd,
        "disks": machine.disks,
        "memory": machine.memory,
        "clock": machine.clock,
        "release": tools.release,
        "backups": tools.backups,
    }
    if asked["mail"]:
        found |= _of_mail(asked)
    if asked["hub"]:
        found |= _of_the_hub(asked["hub"])
    return found


def _of_mail(asked: Mapping[str, Any]) -> Sections:
    found: Sections = {
        "queue": mail.queue,
        "keys": lambda: mail.keys(asked["keys"]),
        "certificate": lambda: tls.certificate(asked["certificate"]),
        "mail": mail.mail_names,
        "greeting": lambda: mail.dialogue("127.0.0.1", asked["recipients"])[0],
    }
    if asked["outgoing"]:
        found["outgoing"] = lambda: mail.outgoing(asked["outgoing"])
    return found


def _of_the_hub(hub: Mapping[str, Any]) -> Sections:
    found: Sections = {
        "nats": engine.nats,
        "engine": engine.engine,
        "nats_certificate": lambda: tls.shown(hub["address"], engine.PORT, hub["name"], greets=True),
    }
    if hub["n8n_workers"]:
        found |= {
            "n8n": lambda: n8n.processes(hub["n8n_workers"]),
            "workflows": n8n.workflows,
            "credentials": n8n.credentials,
            "web_certificate": lambda: tls.shown("127.0.0.1", 443, hub["name"]),
        }
    return found


def settled(waiting: Mapping[str, Future[Any]], errors: dict[str, str]) -> Iterator[tuple[str, Any]]:
    """Each section as it was read; what went wrong is noted."""
    for name, future in waiting.items():
        try:
            yield name, future.result()
        except Exception as error:  # one section must not cost the others
            errors[name] = str(error) or type(error).__name__


def facts(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Everything, read at the same time."""
    started = time.time()
    errors: dict[str, str] = {}
    with ThreadPoolExecutor(16) as pool:
        waiting = {name: pool.submit(read) for name, read in sections(asked).items()}
        doors = {f"{host} {port}": pool.submit(mail.knock, host, port) for host, port in asked["knocks"]}
        found = dict(settled(waiting, errors))
        found["knocks"] = dict(settled(doors, errors))
    return found | {"started": started, "ended": time.time(), "errors": errors}


def main(text: str) -> None:
    """Answer what a text asks, on standard output; exit status 1 and one line where it may not be asked."""
    try:
        asked = checked(text)
    except Refused as refused:
        sys.stdout.write(f"error: {refused}\n")
        raise SystemExit(1) from None
    sys.stdout.write(json.dumps(facts(asked)) + "\n")
