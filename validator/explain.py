"""One reply read by the rules, as JSON: `validator explain` prints it, the REST service answers with it."""

from __future__ import annotations

from typing import Any

from validator.classify import classify
from validator.reply import parse_text
from validator.status import Stage, Status
from validator.verdict import sentence


def explained(text: str, *, stage: Stage = Stage.RCPT, mx: str = "", address: str = "") -> dict[str, Any]:
    """What a reply means, and which rule says so.

    Args:
        text: The reply as the server gave it, one line or several.
        stage: The command it answers.
        mx: The host that gave it.
        address: The recipient, if it is known; its words are not taken for the server's.
    """
    reply = parse_text(text)
    finding = classify(reply, stage=stage, mx=mx, address=address)
    return {
        "status": finding.status.value,
        "label": finding.status.label,
        "valid": finding.status is Status.VALID,
        "reason": finding.reason,
        "details": sentence(finding.reason, finding.status),
        "confidence": finding.confidence,
        "code": reply.code or None,
        "enhanced": reply.enhanced or None,
        "stage": stage.value,
        "mx_host": mx or None,
        "rule": finding.rule,
        "source": finding.source,
    }
