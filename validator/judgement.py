"""From trouble to verdict: what is told about an address, with its flags and its typo."""

from __future__ import annotations

from validator.reply import Reply
from validator.session import Session
from validator.status import Status
from validator.syntax import Address, is_disposable, is_role, shipped_lists, suggest_domain
from validator.trouble import Trouble
from validator.verdict import Verdict, sentence
from validator.work import Domain, Job

NO_REPLY = Reply(0, "", "")
LONGEST_QUOTE = 500


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
    code, enhanced, text = trouble.reply or NO_REPLY
    verdict = Verdict(
        job.raw,
        trouble.status,
        trouble.reason,
        trouble.details or sentence(trouble.reason, trouble.status),
        trouble.confidence,
        trouble.stage,
        code,
        enhanced,
        trouble.host,
        domain.operator.name if domain and domain.operator else "",
        "",
        trouble.rule,
        text[:LONGEST_QUOTE],
        attempts=job.attempts,
        seconds=now - job.born,
        dns=domain.dns_seconds if domain else 0.0,
    )
    if session is not None:
        verdict.source_ip = session.source_ip
        verdict.smtp = now - session.began
        if session.transcript is not None:
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
