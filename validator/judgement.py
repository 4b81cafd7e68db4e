"""From trouble to verdict: what is told about an address, with its flags and its typo."""

from __future__ import annotations

from validator.session import Session
from validator.status import Status
from validator.syntax import Address, is_disposable, is_role, shipped_lists, suggest_domain
from validator.trouble import Trouble
from validator.verdict import Verdict, sentence
from validator.work import Domain, Job


def verdict_of(
    job: Job, trouble: Trouble, domain: Domain | None, session: Session | None, now: float
) -> Verdict:
    """The verdict on an address.

    Args:
        job: The address.
        trouble: What was found.
        domain: Its domain, if it came so far.
        session: The session that found it, if one did.
        now: Loop time.
    """
    reply = trouble.reply
    verdict = Verdict(
        job.raw,
        trouble.status,
        trouble.reason,
        trouble.details or sentence(trouble.reason, trouble.status),
        trouble.confidence,
        trouble.stage,
        reply.code if reply else 0,
        reply.enhanced if reply else "",
        trouble.host,
        domain.operator.name if domain and domain.operator else "",
        session.source_ip if session else "",
        trouble.rule,
        reply.text[:500] if reply else "",
        attempts=job.attempts,
        seconds=now - job.born,
        dns=domain.dns_seconds if domain else 0.0,
        smtp=now - session.began if session else 0.0,
    )
    if session is not None and session.transcript is not None:
        verdict.transcript = list(session.transcript)
    _flag(verdict, job.address)
    return verdict


def _flag(verdict: Verdict, address: Address) -> None:
    lists = shipped_lists()
    verdict.disposable = is_disposable(address.domain, lists)
    verdict.role = is_role(address.local, lists)
    verdict.free = address.domain in lists.free
    if verdict.status is not Status.VALID and not verdict.free:
        meant = suggest_domain(address.domain)
        if meant:
            verdict.suggestion = f"{address.local}@{meant}"
