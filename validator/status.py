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


# How people and logs write them; the first that the word contains.
SPELLINGS: tuple[tuple[str, Stage], ...] = (
    ("rcpt", Stage.RCPT),
    ("recipient", Stage.RCPT),
    ("starttls", Stage.STARTTLS),
    ("tls", Stage.STARTTLS),
    ("data", Stage.DATA),
    ("eod", Stage.DATA),
    ("eom", Stage.DATA),
    ("mail", Stage.MAIL),
    ("sender", Stage.MAIL),
    ("helo", Stage.EHLO),
    ("ehlo", Stage.EHLO),
    ("banner", Stage.BANNER),
    ("greet", Stage.BANNER),
    ("connect", Stage.CONNECT),
    ("rset", Stage.RSET),
    ("syntax", Stage.SYNTAX),
    ("dns", Stage.DNS),
    ("policy", Stage.POLICY),
)


def parse_stage(text: str | None) -> Stage:
    """Read a stage as people write it (`RCPT TO`, `end of data`); nothing means RCPT.

    Raises:
        ValueError: for a word that names no stage.
    """
    word = (text or "rcpt").strip().lower()
    for spelling, stage in SPELLINGS:
        if spelling in word:
            return stage
    known = ", ".join(stage.value for stage in Stage)
    raise ValueError(f"stage {text!r} is not one of: {known}")
