"""Proofs that trouble on the orchestrator is one line each, in its status and the chat, and loses nothing."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploys.workflows import load
from lab.proofs import filler
from lab.proofs.fleet import PYTHON, call, hand_in, known_answers, results, right
from lab.proofs.scene import Disproved, Scene, wait_until
from lab.proofs.status import watch
from lab.proofs.tools import chat

_CERTIFICATE, _KEY = "/etc/nats/tls.crt", "/etc/nats/tls.key"
_ENCRYPTION_KEY = "/etc/outreach/n8n/encryption-key"


@dataclass(frozen=True)
class Trouble:
    """Something that goes wrong on the orchestrator.

    Args:
        tells: how a line of the status about it begins, after the host's name.
        make: a shell script that brings it about.
        mend: one that takes it away.
    """

    tells: str
    make: str
    mend: str


def _filler(what: str) -> str:
    return shlex.join([PYTHON, "-c", Path(filler.__file__).read_text("utf-8"), what])


def _workflow(nodes: str, name: str) -> str:
    statement = f"UPDATE workflow_entity SET nodes = {nodes} WHERE name = '{name}'"  # noqa: S608 - ours
    return shlex.join(["runuser", "-u", "postgres", "--", "psql", "-qd", "n8n", "-c", statement])


_DIGEST = next(one.name for one in load() if "digest" in one.name)

STORAGE = Trouble("nats storage WORK: failed: 100%", _filler("full"), _filler("free"))
EXPIRED = Trouble(
    "certificate nats: failed: ended ",
    f"cp -a {_CERTIFICATE} {_CERTIFICATE}.kept\n"
    f"openssl req -x509 -key {_KEY} -subj /CN=expired -not_before 20250101000000Z -not_after 20250102000000Z"
    f" >{_CERTIFICATE}\nsystemctl reload nats-server",
    f"mv {_CERTIFICATE}.kept {_CERTIFICATE}\nsystemctl reload nats-server",
)
DISK = Trouble(
    "disk /boot: failed: ",
    "mkdir -p /boot\nmount -t tmpfs -o size=1m full /boot\nhead -c 2M /dev/zero >/boot/full || true",
    "umount /boot",
)
KEY = Trouble(
    "n8n credentials: failed: ",
    f"cp -a {_ENCRYPTION_KEY} {_ENCRYPTION_KEY}.kept\necho of-another-fleet >{_ENCRYPTION_KEY}",
    f"mv {_ENCRYPTION_KEY}.kept {_ENCRYPTION_KEY}",
)
NONSENSE = Trouble(
    f"workflow {_DIGEST}: warning: was edited in n8n",
    _workflow("json_build_array(nodes)", _DIGEST),
    _workflow("nodes -> 0", _DIGEST),
)


def engines_trouble_is_told(scene: Scene) -> str:
    """NATS' storage and a disk full, its certificate expired: told; a list of just then is carried later."""
    expected = known_answers()
    before = chat(scene)
    with _made(scene, [STORAGE, EXPIRED, DISK]):
        job = hand_in(scene, expected)
        wait_until(lambda: call(scene, f"/jobs/{job}")["error"], "a line about the list that waits", 60)
        line = call(scene, f"/jobs/{job}")["error"]
        told = _told(scene, [STORAGE, EXPIRED, DISK], before)
    wait_until(lambda: call(scene, f"/jobs/{job}")["state"] == "DONE", f"the end of job {job}", 180)
    right({row["email"]: row["verdict"] for row in results(scene, job)}, expected)
    return (
        f"{'; '.join(told)}; the list said {line!r}, and had its {len(expected)} verdicts once there was room"
    )


def n8ns_trouble_is_told(scene: Scene) -> str:
    """N8n's key of another fleet, and a workflow that was edited to nonsense in its database: told."""
    before = chat(scene)
    with _made(scene, [KEY, NONSENSE]):
        return "; ".join(_told(scene, [KEY, NONSENSE], before))


@contextmanager
def _made(scene: Scene, troubles: Sequence[Trouble]) -> Iterator[None]:
    """All of them at once, and at the end none."""
    with ExitStack() as stack:
        for trouble in troubles:
            stack.callback(_run, scene, trouble.mend)
            _run(scene, trouble.make)
        yield


def _run(scene: Scene, script: str) -> None:
    scene.run(scene.orchestrator, ["sh", "-euc", script])


def _told(scene: Scene, troubles: Sequence[Trouble], before: Counter[str]) -> list[str]:
    """The lines that came into the chat once the orchestrator had looked, one for each trouble."""
    watch(scene)
    came = Counter(
        line.removeprefix(f"{scene.orchestrator} ")
        for text in (chat(scene) - before).elements()
        for line in text.splitlines()
    )
    found = {trouble.tells: [line for line in came if line.startswith(trouble.tells)] for trouble in troubles}
    if wrong := [f"{tells!r} {len(told)} times" for tells, told in found.items() if len(told) != 1]:
        raise Disproved(f"told are {', '.join(wrong)}: {list(came)}")
    return [told[0] for told in found.values()]
