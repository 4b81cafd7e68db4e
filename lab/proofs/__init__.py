"""Proofs: what a rehearsal shows at its end, each a line with its evidence.

A proof is a function from a :class:`~lab.proofs.scene.Scene` to one line of evidence; it raises
:class:`~lab.proofs.scene.Disproved` with the reason when the world is not as promised. Proofs speak to the
hosts as an outsider would (SMTP, IMAP, SSH, DNS), run inside the lab's network namespace, and take their
verdicts on mail from code that nobody here wrote: the receiving host's rspamd, dkimpy and authheaders.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lab.proofs.scene import Disproved, Scene


@dataclass(frozen=True)
class Proof:
    """A promise and the function that tries it.

    Args:
        name: the promise, as the report prints it.
        run: tries it; returns the evidence, raises Disproved.
        alone: must not run beside others, because it takes a service away for a while.
    """

    name: str
    run: Callable[[Scene], str]
    alone: bool = False


@dataclass(frozen=True)
class Check:
    """A proof that was tried.

    Args:
        name: the promise.
        passed: whether it held.
        evidence: what was seen, or why it did not hold.
        seconds: how long it took.
    """

    name: str
    passed: bool
    evidence: str
    seconds: float


def _try(proof: Proof, scene: Scene) -> Check:
    started = time.monotonic()
    try:
        passed, evidence = True, proof.run(scene)
    except Disproved as reason:
        passed, evidence = False, str(reason)
    except Exception as error:  # whatever breaks a proof is a failed check, not a lost report
        passed, evidence = False, f"{type(error).__name__}: {error}"
    return Check(proof.name, passed, " ".join(evidence.split()), round(time.monotonic() - started, 2))


def run_proofs(proofs: list[Proof], scene: Scene) -> Iterator[Check]:
    """Try every proof: those that bear company together first, then the others one by one."""
    together = [proof for proof in proofs if not proof.alone]
    with ThreadPoolExecutor(max_workers=6) as pool:
        yield from pool.map(lambda proof: _try(proof, scene), together)
    for proof in proofs:
        if proof.alone:
            yield _try(proof, scene)
