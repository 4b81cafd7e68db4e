"""DNS records of mail as values: tag lists (RFC 6376 section 3.2, RFC 9989), and who gets reports. Pure."""

from __future__ import annotations

from status.facts import Answer


def tags(text: str) -> dict[str, str]:
    """The tags of a record `v=DMARC1; p=none`; the first of a name counts, spaces around are dropped."""
    found: dict[str, str] = {}
    for part in text.split(";"):
        name, separator, value = part.partition("=")
        if separator:
            found.setdefault(name.strip().lower(), value.strip())
    return found


def dmarc_records(answer: Answer) -> list[dict[str, str]]:
    """The DMARC records among the TXT records of a name."""
    return [tags(value) for value in answer.values if value.replace(" ", "").startswith("v=DMARC1")]


def report_domains(domain: str, dmarc: Answer) -> list[str]:
    """The foreign domains that a domain's DMARC record sends aggregate reports to.

    They must consent (RFC 9990). A parent or child of the domain is taken to share its organisational
    domain, so it needs none; only a public suffix with report mailboxes of its own would make that wrong.
    """
    found = []
    for record in dmarc_records(dmarc):
        for uri in record.get("rua", "").split(","):
            kind, _, taker = uri.strip().partition("!")[0].partition(":")
            other = taker.rpartition("@")[2].lower() if kind.lower() == "mailto" else ""
            if other and other != domain and not _kin(other, domain):
                found.append(other)
    return list(dict.fromkeys(found))


def _kin(one: str, other: str) -> bool:
    return one.endswith(f".{other}") or other.endswith(f".{one}")
