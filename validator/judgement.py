"""From trouble to verdict: what is told about an address, with its flags and its typo."""

from __future__ import annotations

from validator.reply import Reply
from validator.session import Session
from validator.status import Status
from validator.syntax import is_role, known_kind, suggest_domain
from validator.trouble import Trouble
from validator.verdict import Verdict, sentence
from validator.work import Domain, Job

NO_REPLY = Reply(0, "", "")
LONGEST_QUOTE = 500
VALID = Status.VALID


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
    status, reason = trouble.status, trouble.reason
    address = job.address
    disposable, free = known_kind(address.domain)
    meant = "" if free or status is VALID else suggest_domain(address.domain)
    verdict = Verdict(
        job.raw,
        status,
        reason,
        trouble.details or sentence(reason, status),
        trouble.confidence,
        trouble.stage,
        code,
        enhanced,
        trouble.host,
        domain.operator.name if domain and domain.operator else "",
        session.source_ip if session else "",
        trouble.rule,
        text[:LONGEST_QUOTE],
        f"{address.local}@{meant}" if meant else "",
        disposable,
        is_role(address.local),
        free,
        job.attempts,
        now - job.born,
        domain.dns_seconds if domain else 0.0,
    )
    if session is not None:
        verdict.smtp = now - session.began
        if session.transcript is not None:
            verdict.transcript = list(session.transcript)
    return verdict
