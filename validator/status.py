"""The words of a verdict: statuses with their labels, and the stages of a check."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """What is known about an address. The first seven are the product's original values."""

    VALID = "VALID"
    CATCH_ALL = "CATCH_ALL"
    MAILBOX_NOT_FOUND = "MAILBOX_NOT_FOUND"
    INVALID_SYNTAX = "INVALID_SYNTAX"
    NO_MX = "NO_MX"
    TIMEOUT = "TIMEOUT"
    CONNECTION_REFUSED = "CONNECTION_REFUSED"
    BLOCKED = "BLOCKED"
    FULL = "FULL"
    DISABLED = "DISABLED"
    GREYLISTED = "GREYLISTED"
    THROTTLED = "THROTTLED"
    TEMPFAIL = "TEMPFAIL"
    UNKNOWN = "UNKNOWN"

    @property
    def label(self) -> str:
        """The text people see."""
        return LABELS[self]


LABELS: dict[Status, str] = {
    Status.VALID: "Valid",
    Status.CATCH_ALL: "Catch-all (Risky)",
    Status.MAILBOX_NOT_FOUND: "Mailbox not found",
    Status.INVALID_SYNTAX: "Invalid syntax",
    Status.NO_MX: "No MX records",
    Status.TIMEOUT: "Timeout",
    Status.CONNECTION_REFUSED: "Connection refused",
    Status.BLOCKED: "Blocked (our server was refused)",
    Status.FULL: "Mailbox full",
    Status.DISABLED: "Mailbox disabled",
    Status.GREYLISTED: "Greylisted",
    Status.THROTTLED: "Throttled",
    Status.TEMPFAIL: "Temporary failure",
    Status.UNKNOWN: "Unknown",
}


class Stage(StrEnum):
    """Where in the check the decisive answer (or silence) came."""

    SYNTAX = "syntax"
    DNS = "dns"
    CONNECT = "connect"
    BANNER = "banner"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    MAIL = "mail"
    RCPT = "rcpt"
    RSET = "rset"
    DATA = "data"
    POLICY = "policy"


STAGE_ALIASES: dict[str, Stage] = {
    "helo": Stage.EHLO,
    "greeting": Stage.BANNER,
    "mail from": Stage.MAIL,
    "mailfrom": Stage.MAIL,
    "mail_from": Stage.MAIL,
    "rcpt to": Stage.RCPT,
    "rcptto": Stage.RCPT,
    "rcpt_to": Stage.RCPT,
    "end of data": Stage.DATA,
    "eod": Stage.DATA,
    "eom": Stage.DATA,
    "tls": Stage.STARTTLS,
}


def parse_stage(text: str | None) -> Stage:
    """Read a stage as people write it; nothing means RCPT.

    Raises:
        ValueError: for a word that names no stage.
    """
    word = (text or "rcpt").strip().lower()
    found = STAGE_ALIASES.get(word)
    if found is not None:
        return found
    try:
        return Stage(word)
    except ValueError:
        known = ", ".join(stage.value for stage in Stage)
        raise ValueError(f"stage {text!r} is not one of: {known}") from None
