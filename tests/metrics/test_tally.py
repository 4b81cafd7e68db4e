"""Counting: by domain, operator and result; never more series than there are names for; kept and taken up."""

# ruff: noqa: E501 - a log's lines are as long as they are

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from metrics import Tally, parse
from metrics.exposition import exposition
from metrics.lines import Delivery, Event, Expired, Notice, Refused, Removed, Sender, Session, Trouble
from metrics.queue import QUEUES, Queue, count
from metrics.tally import CODES, SENDERS
from tests.metrics.test_lines import DELIVERIES, GOOGLE_BLOCKS
from validator import Stage, parse_text

DOMAINS = ("alpha.example", "bravo.example", "charlie.example", "delta.example", "echo.example")
Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def series(tally: Tally, queue: Queue | None = None) -> Series:
    """What Prometheus reads."""
    text = exposition(tally, queue, 0.0).decode()
    return {
        (sample.name.removeprefix("outreach_mail_"), tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(tally: Tally, name: str, **labels: str) -> float:
    return series(tally).get((name, tuple(sorted(labels.items()))), 0.0)


def counted(*lines: tuple[str, str]) -> Tally:
    tally = Tally(DOMAINS)
    for program, message in lines:
        if event := parse(program, message):
            tally.take(event)
    return tally


SENT_BY = "4jcMdk3GJ2zxGYm: from=<anna.berg@{domain}>, size=667, nrcpt=1 (queue active)"


@pytest.mark.parametrize(
    ("sender", "label"),
    [
        ("<a@alpha.example>", "alpha.example"),
        ("<a@ALPHA.example>", "alpha.example"),
        ("<a@stranger.example>", "other"),
        ("<>", "bounces"),
    ],
)
def test_a_delivery_is_counted_by_its_sender_and_the_receiving_operator(sender: str, label: str) -> None:
    tally = counted(
        ("postfix/qmgr", f"4jcMdk3GJ2zxGYm: from={sender}, size=667, nrcpt=1 (queue active)"),
        ("postfix/google/smtp", GOOGLE_BLOCKS),
    )
    assert value(tally, "deliveries_total", domain=label, operator="google", result="bounced") == 1
    assert value(tally, "replies_total", operator="google", reply="5xx", code="5.7.1") == 1


def test_a_refusal_is_counted_by_what_it_means() -> None:
    tally = counted(*((program, line) for program, line, *_ in DELIVERIES))
    assert value(tally, "meanings_total", operator="yahoo", meaning="throttled") == 1
    assert value(tally, "meanings_total", operator="other", meaning="mailbox_not_found") == 1
    assert value(tally, "replies_total", operator="none", reply="none", code="5.4.4") == 1


def test_the_delay_of_what_was_taken_is_a_histogram() -> None:
    tally = counted(*((program, line) for program, line, *_ in DELIVERIES))
    assert value(tally, "delay_seconds_bucket", operator="other", le="1.0") == 0
    assert value(tally, "delay_seconds_bucket", operator="other", le="5.0") == 1
    assert value(tally, "delay_seconds_bucket", operator="other", le="+Inf") == 1
    assert value(tally, "delay_seconds_count", operator="other") == 1
    assert value(tally, "delay_seconds_sum", operator="other") == 2.8


def test_mail_that_is_given_up_is_counted_for_its_domain() -> None:
    tally = counted(
        ("postfix/qmgr", SENT_BY.format(domain="bravo.example")),
        (
            "postfix/qmgr",
            "4jcMdk3GJ2zxGYm: from=<anna.berg@bravo.example>, status=expired, returned to sender",
        ),
    )
    assert value(tally, "deliveries_total", domain="bravo.example", operator="none", result="expired") == 1


def test_a_message_is_forgotten_when_it_leaves_and_the_oldest_when_there_are_too_many() -> None:
    tally = Tally(DOMAINS)
    tally.take(Sender("a" * 15, "alpha.example"))
    tally.take(Removed("a" * 15))
    assert not tally.senders
    for number in range(SENDERS + 10):
        tally.take(Sender(f"{number:015}", "alpha.example"))
    assert len(tally.senders) == SENDERS
    assert f"{9:015}" not in tally.senders


def _anything(count: int) -> Iterator[Event]:
    """Events with every label that there is, and many that there should not be."""
    some = random.Random(1)
    hosts = [
        f"mx{n}.{suffix}"
        for suffix in (
            "google.com", "mail.protection.outlook.com", "olc.protection.outlook.com", "yahoodns.net", "icloud.com",
            "mimecast.com", "mail.ru", "orange.fr", "gmx.net", "one.example", "two.example",
        )
        for n in range(3)
    ] + [""]  # fmt: skip
    for number in range(count):
        queue_id, host = f"{some.randrange(500):015}", some.choice(hosts)
        yield Sender(queue_id, some.choice([*DOMAINS, "x.example", "", f"d{number}.example"]))
        digits = f"{some.randrange(8)}.{some.randrange(100)}"
        result, klass = some.choice([("sent", 2), ("deferred", 4), ("bounced", 5)])
        reply = some.choice(
            [
                None,
                parse_text(f"{klass}50 {klass}.{digits} {some.choice(['blocked', 'no such user', 'busy'])}"),
            ]
        )
        domain = some.choice([*DOMAINS, f"d{number}.example"])
        yield Delivery(
            queue_id,
            some.random() < 0.2,
            domain,
            host,
            result,
            f"{klass}.{digits}",
            some.random() * 200_000,
            reply,
            Stage.RCPT,
        )
        yield Session(
            host, some.choice(["anonymous", "untrusted", "trusted", "verified"]), f"TLSv1.{some.randrange(9)}"
        )
        others: list[Event] = [Expired(queue_id), Notice("delay"), Notice("non-delivery"), Trouble("warning")]
        yield some.choice(others)
        yield Refused(
            some.choice(["smtp", "submission", "content"]), some.choice(["milter", "postfix"]), "4xx"
        )


def test_a_node_has_a_bounded_number_of_series_whatever_its_log_says() -> None:
    """The figure of docs/metrics.md: 5 domains a node is the reference fleet's 40 on 8."""
    tally = Tally(DOMAINS)
    for event in _anything(20_000):
        tally.take(event)
    found = series(tally, Queue(dict.fromkeys(QUEUES, 1), 1.0))
    assert len({dict(labels)["code"] for name, labels in found if name == "replies_total"}) == CODES + 1
    assert 1000 < len(found) <= 2000


def test_a_tally_that_was_kept_counts_on_as_if_never_put_down() -> None:
    whole, first, second = Tally(DOMAINS), Tally(DOMAINS), Tally(DOMAINS)
    events = list(_anything(300))
    for event in events:
        whole.take(event)
    for event in events[:700]:
        first.take(event)
    second.restore(json.loads(json.dumps(first.as_json())))
    for event in events[700:]:
        second.take(event)
    assert series(second) == series(whole)
    assert second.senders == whole.senders


@pytest.mark.parametrize(
    "kept", [{}, {"counters": {}}, {"counters": {"replies": [["a", 1]]}, "delays": {}, "senders": []}, [1]]
)
def test_what_is_no_tally_is_refused(kept: object) -> None:
    with pytest.raises(ValueError, match="counters"):
        Tally(DOMAINS).restore(kept)  # type: ignore[arg-type]


def test_a_queue_is_counted_as_postqueue_prints_it() -> None:
    lines = [
        (
            '{"queue_name": "deferred", "queue_id": "4jcMdm6KskzxGYm", "arrival_time": 1795898508, "message_size": 661,'
            ' "forced_expire": false, "sender": "anna.berg@alpha.example", "recipients": [{"address": "x@refused.example",'
            ' "delay_reason": "connect to mx.refused.example[198.18.0.1]:25: Connection refused"}]}'
        ),
        '{"queue_name": "active", "queue_id": "4jcMdm6KskzxGYn", "arrival_time": 1795898600, "recipients": []}',
        '{"queue_name": "corrupt", "queue_id": "4jcMdm6KskzxGYo", "arrival_time": 1, "recipients": []}',
    ]
    assert count(lines, 1795898608.0) == Queue({"incoming": 0, "active": 1, "deferred": 1, "hold": 0}, 100.0)
    assert count([], 5.0) == Queue(dict.fromkeys(QUEUES, 0), 0.0)


@pytest.mark.parametrize(
    "line", ["postqueue: fatal: no", "[]", "{}", '{"arrival_time": "x", "queue_name": "hold"}']
)
def test_what_is_no_queue_is_refused(line: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own text, or ours
        count([line], 0.0)
