"""Each domain at home on a node: SPF, DKIM, DMARC, MX, as receivers find them."""

from __future__ import annotations

from collections.abc import Iterator

from status.checks.judge import recommended, required, unread
from status.facts import Answer, Subject
from status.finding import Finding
from status.records import dmarc_records, tags

_PLAN = "`outreach plan --only dns` tells what the provider has."
_STRICTNESS = ("none", "quarantine", "reject")


def spf(subject: Subject) -> Iterator[Finding]:
    """SPF passes for this very address, evaluated as a receiver does."""
    judge = required(subject, "spf")
    if subject.address is None:
        return
    for domain, names in subject.names.domains.items():
        verdict = names.spf
        if verdict.result == "pass":
            yield judge.ok(f"pass for {subject.address}", domain)
        elif verdict.result == "temperror":
            yield judge.unknown(f"temperror: {verdict.says}", "Ask again later.", domain)
        else:
            says = f"{verdict.result} for {subject.address}: {verdict.says}"
            yield judge.failed(says, f"{domain} TXT, and the pool it includes; {_PLAN}", domain)


def dkim(subject: Subject) -> Iterator[Finding]:
    """The key in DNS is the one on the node's disk."""
    judge, facts = required(subject, "dkim"), subject.inside.facts
    yield from unread(subject, "keys", judge)
    keys = facts.keys if facts else None
    for domain, names in subject.names.domains.items():
        owner = f"{subject.selectors[domain]}._domainkey.{domain}"
        if names.dkim.problem:
            yield judge.unknown(f"{owner}: {names.dkim.problem}", "Ask again later.", domain)
        elif keys is not None and domain not in keys:
            again = f"`outreach apply --limit {subject.host}` makes one."
            yield judge.failed("the node has no key for it", again, domain)
        elif wrong := _unlike(names.dkim, keys[domain] if keys else None):
            yield judge.failed(f"{owner} {wrong}", f"Receivers cannot verify its mail; {_PLAN}", domain)
        elif keys is None:
            yield judge.ok("published; the node cannot be asked for its key", domain)
        else:
            yield judge.ok("the key in DNS is the one on disk", domain)


def _unlike(answer: Answer, key: str | None) -> str:
    """How the published key differs from the one on disk; empty if it does not, or nobody knows that one."""
    found = [tags(value) for value in answer.values if "p" in tags(value)]
    if len(found) != 1:
        return f"has {len(found)} keys" if found else "has no key"
    published = "".join(found[0]["p"].split())
    if not published:
        return "is revoked: its p= is empty"
    return "is not the key on disk" if key is not None and published != key else ""


def dmarc(subject: Subject) -> Iterator[Finding]:
    """There is one DMARC record, not weaker than the fleet file asks for."""
    judge, wanted = required(subject, "dmarc"), subject.dmarc_policy
    for domain, names in subject.names.domains.items():
        owner, found = f"_dmarc.{domain}", dmarc_records(names.dmarc)
        policy = found[0].get("p", "").lower() if found else ""
        if names.dmarc.problem:
            yield judge.unknown(f"{owner}: {names.dmarc.problem}", "Ask again later.", domain)
        elif len(found) != 1:
            count = "no DMARC record" if not found else f"{len(found)} DMARC records, so none counts"
            yield judge.failed(f"{owner} has {count}", _PLAN, domain)
        elif policy not in _STRICTNESS:
            yield judge.failed(f"{owner} has no valid policy: p={policy}", _PLAN, domain)
        elif _STRICTNESS.index(policy) < _STRICTNESS.index(wanted):
            yield judge.warning(f"p={policy}, the fleet file says {wanted}", _PLAN, domain)
        else:
            yield judge.ok(f"p={policy}", domain)


def consent(subject: Subject) -> Iterator[Finding]:
    """Reports are asked for, and whoever gets them consents (RFC 9990)."""
    judge = recommended(subject, "dmarc reports")
    for domain, names in subject.names.domains.items():
        if len(dmarc_records(names.dmarc)) != 1:
            continue  # said by `dmarc`
        if not dmarc_records(names.dmarc)[0].get("rua"):
            yield judge.warning("nobody gets reports: the record has no rua", _PLAN, domain)
            continue
        asked = names.consents
        problem = next(
            (f"{other}: {answer.problem}" for other, answer in asked.items() if answer.problem), ""
        )
        missing = [
            other for other, answer in asked.items() if not answer.problem and not dmarc_records(answer)
        ]
        if missing:
            says = f"{', '.join(missing)} does not consent to its reports"
            yield judge.failed(says, f"{domain}._report._dmarc.{missing[0]} TXT; {_PLAN}", domain)
        elif problem:
            yield judge.unknown(problem, "Ask again later.", domain)
        else:
            yield judge.ok(f"to {', '.join(asked) or 'itself'}", domain)


def mx(subject: Subject) -> Iterator[Finding]:
    """Replies come to the node that sends."""
    judge = required(subject, "mx")
    for domain, names in subject.names.domains.items():
        hosts = [value.partition(" ")[2] for value in sorted(names.mx.values, key=_preference)]
        if names.mx.problem:
            yield judge.unknown(f"{domain}: {names.mx.problem}", "Ask again later.", domain)
        elif hosts[:1] == [subject.fqdn]:
            yield judge.ok(names.mx.values[0], domain)
        else:
            found = ", ".join(hosts) or "nobody"
            yield judge.failed(f"its mail goes to {found}, not to {subject.fqdn}", _PLAN, domain)


def _preference(value: str) -> int:
    return int(value.partition(" ")[0])
