"""The machine itself: room, memory, queue, updates, clock."""

from __future__ import annotations

from collections.abc import Iterator

from status.checks.judge import recommended, required, span, unread
from status.facts import Subject
from status.finding import Finding
from status.sections import Clock

DISK_WARNING, DISK_FAILED = 0.30, 0.15
MEMORY_WARNING, MEMORY_FAILED = 0.20, 0.10
"""Shares left (Mail-in-a-Box's)."""
QUEUE_WARNING, QUEUE_FAILED = 1_000, 5_000
"""Mails; a node of 150 accounts sends 7,500 a day."""
QUEUE_OLD, QUEUE_STUCK = 12 * 3600.0, 50 * 3600.0
"""Seconds. Greylisting takes hours; after two days (maximal_queue_lifetime) mail bounces or is stuck."""
LISTS_OLD = 3 * 86_400.0
CLOCK_WARNING, CLOCK_FAILED = 0.5, 30.0
"""Seconds. Signatures carry the time, and receivers distrust mail from the future."""


def disk(subject: Subject) -> Iterator[Finding]:
    """Every file system has room, for bytes and for files."""
    judge, facts = required(subject, "disk"), subject.inside.facts
    yield from unread(subject, "disks", judge)
    for found in (facts.disks if facts else None) or ():
        shares = {
            "space": _share(found.free, found.used),
            "inodes": _share(found.files_free, found.files_used),
        }
        what, left = min(shares.items(), key=lambda item: item[1])
        says = f"{left:.0%} of {what} left, {found.free / 1e9:.1f} GB"
        advice = f"See what grows: `du -xh --max-depth=2 {found.mount}`."
        yield judge.measured(
            says, advice, found.mount, failed=left < DISK_FAILED, warning=left < DISK_WARNING
        )


def _share(free: int, used: int) -> float:
    """What is left of a whole; a file system that does not count (btrfs has no inodes) has all left."""
    return free / (free + used) if free + used else 1.0


def memory(subject: Subject) -> Iterator[Finding]:
    """Programs can still have memory."""
    judge, facts = recommended(subject, "memory"), subject.inside.facts
    yield from unread(subject, "memory", judge)
    if facts is None or facts.memory is None:
        return
    left = facts.memory.available / facts.memory.total
    says = f"{left:.0%} of {facts.memory.total / 2**30:.1f} GiB available"
    advice = "See what holds it: `ps aux --sort=-rss | head`."
    yield judge.measured(says, advice, failed=left < MEMORY_FAILED, warning=left < MEMORY_WARNING)


def queue(subject: Subject) -> Iterator[Finding]:
    """Mail moves: the queue is short, and nothing in it is old."""
    judge, facts = recommended(subject, "queue"), subject.inside.facts
    yield from unread(subject, "queue", judge)
    if facts is None or facts.queue is None:
        return
    found = facts.queue
    says = f"{found.mails} mails, the oldest {span(found.oldest)}" if found.mails else "empty"
    advice = "See who refuses: `postqueue -j`, and `journalctl -u postfix | grep deferred`."
    yield judge.measured(
        says,
        advice,
        failed=found.mails > QUEUE_FAILED or found.oldest > QUEUE_STUCK,
        warning=found.mails > QUEUE_WARNING or found.oldest > QUEUE_OLD,
    )


def updates(subject: Subject) -> Iterator[Finding]:
    """No security update is pending, and none waits for a reboot."""
    judge, facts = recommended(subject, "updates"), subject.inside.facts
    yield from unread(subject, "updates", judge)
    if facts is None or facts.updates is None:
        return
    found, wrong = facts.updates, []
    if found.security:
        some = ", ".join(found.security[:5])
        wrong.append(f"{len(found.security)} security updates pending ({some})")
    if found.lists_age is not None and found.lists_age > LISTS_OLD:
        wrong.append(f"package lists are {span(found.lists_age)} old")
    if found.reboot:
        wrong.append("a reboot is needed to take up updates")
    if wrong:
        advice = (
            "`unattended-upgrade -v` there" if not found.reboot else "Let its queue drain, then reboot it"
        )
        yield judge.warning("; ".join(wrong), f"{advice}.")
    else:
        yield judge.ok("none pending")


def clock(subject: Subject) -> Iterator[Finding]:
    """The clock is right: by chrony, and by comparison with ours."""
    judge, facts = required(subject, "clock"), subject.inside.facts
    if facts is None:
        return
    yield from unread(subject, "clock", recommended(subject, "clock"))
    apart = _apart(subject)
    known = facts.clock
    offset = max(apart, abs(known.offset) if known else 0.0)
    if offset > CLOCK_FAILED:
        yield judge.failed(f"{span(offset)} off", "See `chronyc tracking` and `chronyc sources` there.")
    elif offset > CLOCK_WARNING:
        yield judge.warning(f"{offset:.1f} s off", "See `chronyc tracking` there.")
    elif known and not _synchronised(known):
        yield judge.warning("not synchronised", "See `chronyc sources` there: is port 123 let out?")
    elif "clock" not in facts.errors:
        yield judge.ok(f"{1000 * abs(known.offset):.1f} ms off" if known else "as ours")


def _synchronised(known: Clock) -> bool:
    return known.leap.lower() != "not synchronised"


def _apart(subject: Subject) -> float:
    """Seconds by which the host's clock certainly differs from ours: it spoke between question and answer."""
    facts, inside = subject.inside.facts, subject.inside
    if facts is None:
        return 0.0
    return max(inside.sent - facts.started, facts.ended - inside.received, 0.0)
