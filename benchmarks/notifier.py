"""The notifier's proof of delivery in full: 10,000 messages, 30 % failures, ten kills; and what parts cost.

    python -m benchmarks.notifier                 # in real time: about a quarter of an hour
    python -m benchmarks.notifier --speed 10      # Telegram's limits, pauses and timeouts ten times as fast

Exit status 1 if a promise is broken. Needs the development environment; all traffic is on loopback.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from cyclopts import App

from notifier.messages import Method
from notifier.outbox import Envelope, Outbox
from notifier.render import Letter, Part, Rendered, compose
from tests.notifier.proof import Books, Plan, Proof

app = App(name="benchmarks.notifier", help="Prove the notifier's delivery in full.")


@app.default
def prove(
    *,
    messages: int = 10_000,
    private: int = 75,
    groups: int = 50,
    kills: int = 10,
    senders: int = 2,
    speed: float = 1.0,
    timeout: float | None = None,
    as_json: bool = False,
) -> int:
    """Run the proof.

    Args:
        messages: how many.
        private: private chats, which get three messages for each of a group's.
        groups: groups.
        kills: how often a sender is killed with -9.
        senders: processes that send at once.
        speed: seconds that pass in one.
        timeout: seconds until a sender gives up on an answer; otherwise 15, and 5 of this machine at least.
        as_json: print everything as JSON.
    """
    seconds = timeout or max(15.0, 5 * speed)
    plan = Plan(messages, private, groups, kills, senders, speed, seconds)
    with tempfile.TemporaryDirectory() as directory:
        books = Proof(plan, Path(directory)).run()
    broken = _broken(books)
    if as_json:
        print(json.dumps({**books.as_dict(), "broken": broken}, indent=1))
    else:
        _table(books)
        for promise in broken:
            print(f"BROKEN: {promise}")
    return 1 if broken else 0


@app.command
def cost(*, messages: int = 2_000) -> int:
    """Measure what one message costs this machine: to keep durably, to keep in a batch, to cut.

    Args:
        messages: how many of each.
    """
    with tempfile.TemporaryDirectory() as directory:
        for durable in (True, False):
            with closing(Outbox(Path(directory) / f"{durable}.sqlite3", durable=durable)) as outbox:
                began = time.perf_counter()
                for number in range(messages):
                    part = Part(Method.TEXT, f"message {number}")
                    outbox.put(Envelope("5", "bench", 3600), Letter((part,)), time.time())
                each = (time.perf_counter() - began) / messages
                print(
                    f"{'outlasts a power cut' if durable else 'outlasts a kill -9':<24}{each * 1e6:8.0f} µs"
                )
    text = "word " * 8_000
    began = time.perf_counter()
    parts = compose(Rendered(text)).parts
    print(f"{'cut 40,000 characters':<24}{(time.perf_counter() - began) * 1e6:8.0f} µs ({len(parts)} parts)")
    return 0


def _broken(books: Books) -> list[str]:
    pace = books.pace
    promises: Mapping[str, bool] = {
        f"{len(books.lost)} messages lost": not books.lost,
        "a repeat without a kill": set(books.duplicates) <= set(books.excused) and not books.late,
        f"order lost in {len(books.unordered)} chats": not books.unordered,
        f"{pace['refused']} requests over a limit": pace["refused"] == 0,
        f"{pace['early']} requests before the time a 429 named": pace["early"] == 0,
        "fewer kills than asked": books.kills == books.plan.kills,
    }
    return [promise for promise, kept in promises.items() if not kept]


def _table(books: Books) -> None:
    plan, pace = books.plan, books.pace
    share = sum(books.suffered.values()) / books.requests
    suffered = ", ".join(f"{name} {number}" for name, number in sorted(books.suffered.items()))
    repeats = sum(number - 1 for number in books.duplicates.values())
    rows = {
        "messages": f"{plan.messages:,} to {plan.private} private chats and {plan.groups} groups",
        "senders": f"{plan.senders} processes, killed with -9 {books.kills} times",
        "time": f"{books.seconds:,.0f} s, passing {plan.speed:g} times as fast",
        "requests": f"{books.requests:,}; {share:.1%} failed ({suffered})",
        "lost": len(books.lost),
        "repeated": f"{repeats} of {len(books.excused)} under way at a kill; {len(books.late)} without one",
        "out of order": f"{len(books.unordered)} chats",
        "over a limit": f"{pace['refused']}; before the time of a 429: {pace['early']}",
        "most in a second": f"{pace['most_a_second']} (30), in a chat {pace['most_a_second_in_a_chat']} (1)",
        "most in a minute": f"{pace['most_a_minute_in_a_group']} in a group (20)",
    }
    for name, value in rows.items():
        print(f"{name:<18}{value}")


if __name__ == "__main__":
    sys.exit(app())
