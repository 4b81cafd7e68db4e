"""The classifier against replies of the RFCs, the servers' own sources and the vendors' pages."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validator import Reply, Stage, Status, classify, parse_text
from validator.classify import default_table, load_table

LABELLED = [
    line.split("\t")
    for line in Path(__file__).with_name("replies.tsv").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]


def read(text: str, stage: str = "rcpt", mx: str = "") -> Status:
    return classify(parse_text(text), stage=Stage(stage), mx=mx).status


@pytest.mark.parametrize(("status", "stage", "mx", "source", "reply"), LABELLED)
def test_a_documented_reply_is_read_as_its_author_means_it(
    status: str, stage: str, mx: str, source: str, reply: str
) -> None:
    assert read(reply, stage, "" if mx == "-" else mx) is Status(status), source


def test_recall_of_not_found_and_false_not_found_keep_the_bar() -> None:
    counts: Counter[tuple[bool, bool]] = Counter()
    for status, stage, mx, _, reply in LABELLED:
        found = read(reply, stage, "" if mx == "-" else mx) is Status.MAILBOX_NOT_FOUND
        counts[status == "MAILBOX_NOT_FOUND", found] += 1
    recall = counts[True, True] / (counts[True, True] + counts[True, False])
    false = counts[False, True] / (counts[False, True] + counts[False, False])
    assert recall >= 0.90
    assert false <= 0.03


def test_confidence_is_no_higher_than_the_share_of_right_readings() -> None:
    right: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    stated: Counter[str] = Counter()
    for status, stage, mx, _, reply in LABELLED:
        finding = classify(parse_text(reply), stage=Stage(stage), mx="" if mx == "-" else mx)
        bin_ = f"{finding.confidence:.1f}"
        seen[bin_] += 1
        right[bin_] += finding.status.value == status
        stated[bin_] += round(finding.confidence * 1000)
    for bin_, number in seen.items():
        assert right[bin_] / number >= stated[bin_] / 1000 / number - 0.05, bin_


def test_words_without_a_code_are_read_and_silence_is_not() -> None:
    assert read("User joe (joe@example.com) not listed in Domino Directory") is Status.MAILBOX_NOT_FOUND
    assert read("The mailbox is full") is Status.FULL
    for text in ("", " ", "Connection timed out", "250-"):
        assert read(text) is not Status.MAILBOX_NOT_FOUND
    assert classify(parse_text("")).reason == "not_a_reply"


def test_the_edge_of_exchange_is_believed_by_its_name_its_signature_or_where_no_host_is_known() -> None:
    bare = "550 5.4.1 Recipient address rejected: Access denied"
    signed = f"{bare}. AS(201806281) [DB5.eurprd01.prod.protection.outlook.com]"
    assert read(bare, mx="example-com.mail.protection.outlook.com.") is Status.MAILBOX_NOT_FOUND
    assert read(bare) is Status.MAILBOX_NOT_FOUND
    assert read(signed, mx="gateway.example.net") is Status.MAILBOX_NOT_FOUND
    assert read(bare, mx="mx.example.net") is Status.BLOCKED


@given(
    code=st.integers(200, 599),
    enhanced=st.sampled_from(["", "5.1.1", "5.1.10", "5.4.1", "4.1.1", "5.2.1", "5.7.1"]),
    text=st.sampled_from(
        ["User unknown", "no such user", "mailbox unavailable", "", "Address rejected", "550 5.1.1"]
    ),
    stage=st.sampled_from([stage for stage in Stage if stage is not Stage.RCPT]),
)
def test_only_an_answer_to_rcpt_may_say_mailbox_not_found(
    code: int, enhanced: str, text: str, stage: Stage
) -> None:
    assert classify(Reply(code, enhanced, text), stage=stage).status is not Status.MAILBOX_NOT_FOUND


@given(st.text(max_size=300))
def test_any_text_at_all_gets_a_verdict(text: str) -> None:
    finding = classify(parse_text(text), address="spam-trap@example.com")
    assert 0 < finding.confidence <= 1
    assert finding.rule


@pytest.mark.parametrize("local", ["spam-trap", "quota", "greylist", "unknown", "blocked", "user.unknown"])
def test_the_echoed_address_is_not_the_servers_word(local: str) -> None:
    address = f"{local}@example.com"
    plain = classify(parse_text("550 5.0.0 <joe@example.com> Rejected"), address="joe@example.com")
    echoed = classify(parse_text(f"550 5.0.0 <{address}> Rejected"), address=address)
    assert echoed.rule == plain.rule


@given(
    st.permutations([(stage, mx, reply) for _, stage, mx, _, reply in LABELLED]),
    st.sampled_from(["", "ann@a.test", "user@example.com", "unknown@full.test"]),
)
@settings(max_examples=10)
def test_what_was_read_before_changes_no_reading(asked: list[tuple[str, str, str]], address: str) -> None:
    table = default_table()
    kept = replace(table, _certain={}, _heard={}, _seen={}, _about={})
    for stage, mx, text in asked[:200]:
        host = "" if mx == "-" else mx
        new = replace(table, _certain={}, _heard={}, _seen={})
        first, later = (
            each.classify(parse_text(text), stage=Stage(stage), mx=host, address=address)
            for each in (new, kept)
        )
        assert first == later, text


def test_a_folded_reply_reads_like_the_lines_it_was_folded_from() -> None:
    lines = parse_text(
        "550-5.1.1 The email account that you tried to\r\n550-5.1.1 reach does not exist.\r\n550 5.1.1 x"
    )
    folded = parse_text(
        "550-5.1.1 The email account that you tried to 550-5.1.1 reach does not exist. 550 5.1.1 x"
    )
    assert lines == folded
    assert lines.text == "The email account that you tried to reach does not exist. x"


def test_a_rule_is_added_without_touching_code() -> None:
    table = load_table(
        """
        [[rule]]
        id = 'house'
        status = 'FULL'
        reason = 'over_quota'
        confidence = 0.9
        source = 'a test'
        code = ['550']
        text = ['zu voll']
        """
    )
    assert table.classify(parse_text("550 Das Postfach ist zu voll.")).rule == "house"
    assert table.classify(parse_text("550 nichts")).status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("status = 'NOPE'", "NOPE"),
        ("text = ['(']", "missing"),
        ("texd = ['x']", "unknown key texd"),
        ("status = 'MAILBOX_NOT_FOUND'", "only an answer to RCPT"),
    ],
)
def test_a_faulty_rule_is_refused_by_its_name(line: str, complaint: str) -> None:
    rule = {
        "id": "id = 'mine'",
        "status": "status = 'FULL'",
        "reason": "reason = 'r'",
        "confidence": "confidence = 1",
        "source": "source = 's'",
        "code": "code = ['5']",
    }
    rule[line.split(" ", maxsplit=1)[0]] = line
    with pytest.raises(ValueError, match="mine") as failure:
        load_table("[[rule]]\n" + "\n".join(rule.values()))
    assert complaint in str(failure.value)


def test_every_shipped_rule_names_its_source_and_can_be_reached_by_id() -> None:
    rules = default_table().rules
    assert len({rule.id for rule in rules}) == len(rules)
    assert all(rule.source for rule in rules)
