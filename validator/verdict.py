"""What the check found, for programs and for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from validator.status import Stage, Status
from validator.transport import Line


@dataclass(slots=True)
class Verdict:
    """The answer about one address.

    Attributes:
        email: As given.
        status: What is known.
        reason: Machine word that narrows `status`.
        details: One sentence a person understands.
        confidence: 0 to 1, how sure `status` is; docs/validator.md says how it is calibrated.
        code: Basic reply code, 0 if no reply decided.
        enhanced: RFC 3463 code or an empty string.
        stage: Where it was decided.
        mx_host: The exchanger that answered, or was tried last.
        operator: Who runs it.
        source_ip: Our address in that session.
        rule: Row of `rules.toml` that read the reply.
        reply: The server's text.
        suggestion: The address that was probably meant.
        disposable: Domain of throw-away mailboxes.
        role: Mailbox of a function.
        free: Domain of a free provider.
        attempts: Sessions it took.
        seconds: From taking the address up to the verdict; `dns` and `smtp` are parts of the last try.
        transcript: The session's lines, if asked for.
    """

    email: str
    status: Status
    reason: str
    details: str
    confidence: float
    stage: Stage
    code: int = 0
    enhanced: str = ""
    mx_host: str = ""
    operator: str = ""
    source_ip: str = ""
    rule: str = ""
    reply: str = ""
    suggestion: str = ""
    disposable: bool = False
    role: bool = False
    free: bool = False
    attempts: int = 0
    seconds: float = 0.0
    dns: float = 0.0
    smtp: float = 0.0
    transcript: list[Line] | None = field(default=None, repr=False)

    @property
    def valid(self) -> bool:
        """Whether mail may be sent on this verdict: the mailbox exists and takes mail."""
        return self.status is Status.VALID

    @property
    def label(self) -> str:
        """The status as people read it."""
        return self.status.label

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, keys in reading order."""
        found: dict[str, Any] = {
            "email": self.email,
            "status": self.status.value,
            "label": self.label,
            "valid": self.valid,
            "reason": self.reason,
            "details": self.details,
            "confidence": round(self.confidence, 3),
            "code": self.code or None,
            "enhanced": self.enhanced or None,
            "stage": self.stage.value,
            "mx_host": self.mx_host or None,
            "operator": self.operator or None,
            "source_ip": self.source_ip or None,
            "rule": self.rule or None,
            "reply": self.reply or None,
            "suggestion": self.suggestion or None,
            "disposable": self.disposable,
            "role": self.role,
            "free": self.free,
            "attempts": self.attempts,
            "timings": {
                "total": round(self.seconds, 4),
                "dns": round(self.dns, 4),
                "smtp": round(self.smtp, 4),
            },
        }
        if self.transcript is not None:
            found["transcript"] = [
                {"at": round(x.at, 4), "who": x.who, "text": x.text} for x in self.transcript
            ]
        return found

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Verdict:
        """Read what `to_dict` wrote, but for a transcript.

        Raises:
            KeyError, ValueError: it is not that.
        """
        words = ("enhanced", "mx_host", "operator", "source_ip", "rule", "reply", "suggestion")
        plain = ("email", "reason", "details", "confidence", "disposable", "role", "free", "attempts")
        named: dict[str, Any] = {name: found[name] or "" for name in words}
        named |= {name: found[name] for name in plain}
        timings = found["timings"]
        return cls(
            status=Status(found["status"]),
            stage=Stage(found["stage"]),
            code=found["code"] or 0,
            seconds=timings["total"],
            dns=timings["dns"],
            smtp=timings["smtp"],
            **named,
        )


SENTENCES: dict[str, str] = {
    "accepted": "The server accepted this address and refused an invented one.",
    "accepted_unproven": "The server accepted this address; whether it refuses invented ones is not known.",
    "accepted_backup": "Only a backup server could be asked and accepted it; backups often accept all.",
    "will_forward": "The server will forward mail for this address elsewhere.",
    "accepts_all": "The server accepts any address of this domain, so this one is not proven.",
    "accepts_all_known": "The domain accepts any address; this one was not asked for.",
    "accepts_then_bounces": "The operator accepts all and bounces later, so acceptance proves nothing.",
    "not_found": "The server says there is no such mailbox.",
    "not_found_soft": "The server says, for now, that there is no such mailbox.",
    "not_found_confirmed": "The server refused the address without a reason but did not refuse postmaster.",
    "directory_edge_block": "The Microsoft edge refuses recipients that its directory does not hold.",
    "address_rejected": "The server rejected the address.",
    "mailbox_unavailable": "The server says the mailbox is unavailable, its usual words for no such mailbox.",
    "moved": "The mailbox is no longer there; the server points elsewhere.",
    "over_quota": "The mailbox exists but is full.",
    "account_disabled": "The mailbox exists but is disabled.",
    "greylisted": "The server asks every stranger to come back later.",
    "verification_in_progress": "The server is still checking the address and asks to come back.",
    "rate_limited": "The server says we ask too fast.",
    "mailbox_receiving_too_fast": "The mailbox exists but receives too much mail just now.",
    "policy_deferral": "The server puts us off for reasons of policy.",
    "service_closing": "The server closed the session for now.",
    "cool_down": "The operator asked us to be silent; this address was not asked for.",
    "daily_cap": "Today's budget for this operator is used up; this address was not asked for.",
    "too_many_invalid": "The server counts our unknown recipients as harvesting.",
    "dnsbl": "The server refuses our address because a block list names it.",
    "host_identity": "The server objects to our host's name or reverse DNS.",
    "sender": "The server objects to our sender address.",
    "sender_or_policy": "The server refused our sender before any recipient was named.",
    "auth_required": "The server wants a login, so it does not take mail from strangers.",
    "relay_denied": "The server says it does not take mail for this domain.",
    "restricted_recipient": "The recipient exists but takes mail only from chosen senders.",
    "policy": "The server refuses us for reasons of policy.",
    "session_refused": "The server refused the session.",
    "host_refuses_mail": "The host takes no mail.",
    "transaction_failed": "The server refused without a reason about the mailbox.",
    "too_many_recipients": "The server wants fewer recipients in one session.",
    "server_error": "The server has trouble of its own.",
    "server_storage": "The server's disk is full.",
    "temporary": "The server could not answer now.",
    "new_session": "The server wants a new session.",
    "routing": "The server cannot reach the mailbox's system.",
    "cannot_verify": "The server will not say whether the mailbox exists.",
    "bare_refusal": "The server refused without saying why.",
    "domain_not_served": "The server refuses even postmaster, so it does not serve this domain.",
    "refuses_everyone": "The server gives the same refusal to postmaster, so it says nothing of the mailbox.",
    "domain_unknown": "The server does not know the domain.",
    "null_mx": "The domain declares that it takes no mail.",
    "server": "The server says the address is malformed.",
    "disconnected": "The server closed the connection instead of answering.",
    "protocol_violation": "The server does not speak SMTP.",
    "smtputf8_unsupported": "The address needs SMTPUTF8, which the server does not offer.",
    "out_of_sequence": "The server lost track of the session.",
    "not_probed": "This operator forbids verification; it is asked only with probe_consumer_microsoft.",
    "mx_private": "The exchanger's address is private or reserved and was not dialled.",
    "mx_unresolvable": "No exchanger of the domain has an address.",
    "no_answer": "The server did not answer in time.",
    "refused": "The server refuses connections on the mail port.",
    "unreachable": "The server cannot be reached from here.",
    "proxy": "The proxy did not connect.",
    "message_size": "The server spoke of message size, not of the mailbox.",
    "protocol": "The server did not understand a command.",
}


def sentence(reason: str, status: Status) -> str:
    """The sentence for a reason."""
    return SENTENCES.get(reason) or f"{status.label}: {reason.replace('_', ' ')}."
