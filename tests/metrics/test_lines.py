"""Lines of real Postfix 3.10 logs, as a node of a rehearsal wrote them, and garbage."""

# ruff: noqa: E501 - a log's lines are as long as they are

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.lines import (
    Delivery,
    Event,
    Expired,
    Notice,
    Refused,
    Removed,
    Sender,
    Session,
    Trouble,
    parse,
)
from metrics.tally import Tally
from validator import Stage
from validator.operators import default_operators

OPERATORS = default_operators()
GOOGLE_BLOCKS = (
    "4jcMdk3GJ2zxGYm: to=<carl@bigmail.example>, relay=aspmx.l.google.com[198.19.0.20]:25, delay=2.3,"
    " delays=0.87/1/0.42/0.06, dsn=5.7.1, status=bounced (host aspmx.l.google.com[198.19.0.20] said: 554 5.7.1"
    " <carl@bigmail.example>: Relay access denied (in reply to RCPT TO command))"
)
TLS = (
    "{trust} TLS connection established to mx.receiver.example[198.19.0.20]:25: TLSv1.3 with cipher"
    " TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange x25519 server-signature ECDSA (prime256v1) server-digest SHA256"
)

LINES: list[tuple[str, str, Event | None]] = [
    (
        "postfix/qmgr",
        "4jcMVy378tzxGXr: from=<Anna.Berg@Alpha.example>, size=668, nrcpt=1 (queue active)",
        Sender("4jcMVy378tzxGXr", "alpha.example"),
    ),
    (
        "postfix/qmgr",
        "4jcMW14k5YzxGYd: from=<>, size=3524, nrcpt=1 (queue active)",
        Sender("4jcMW14k5YzxGYd", ""),
    ),
    (
        "postfix/qmgr",
        "4jcMdm6KskzxGYm: from=<anna.berg@alpha.example>, status=expired, returned to sender",
        Expired("4jcMdm6KskzxGYm"),
    ),
    (
        "postfix/qmgr",
        "4jcMdm6KskzxGYm: from=<anna.berg@alpha.example>, status=force-expired, returned to sender",
        Expired("4jcMdm6KskzxGYm"),
    ),
    ("postfix/qmgr", "4jcMVy4Cj8zxGYP: removed", Removed("4jcMVy4Cj8zxGYP")),
    (
        "postfix/bounce",
        "4jcMdk3GJ2zxGYm: sender non-delivery notification: 4jcMdm48r9zxGYs",
        Notice("non-delivery"),
    ),
    (
        "postfix/submission/smtpd",
        "NOQUEUE: milter-reject: CONNECT from unknown[198.18.0.1]: 451 4.7.1 Service unavailable - try again later; proto=SMTP",
        Refused("submission", "milter", "4xx"),
    ),
    (
        "postfix/cleanup",
        (
            "4jcMW55qXKzxGcS: milter-reject: END-OF-MESSAGE from unknown[198.18.0.1]: 5.7.1 The From header must be the"
            " login, once; from=<anna.berg@alpha.example> to=<carl@receiver.example> proto=ESMTP helo=<[127.0.0.1]>"
        ),
        Refused("content", "milter", "5xx"),
    ),
    (
        "postfix/smtpd",
        (
            "NOQUEUE: reject: RCPT from stranger.receiver.example[198.19.0.30]: 554 5.7.1 <carl@receiver.example>: Relay"
            " access denied; from=<anna.berg@alpha.example> to=<carl@receiver.example> proto=ESMTP helo=<stranger>"
        ),
        Refused("smtp", "postfix", "5xx"),
    ),
    ("postfix/smtp", TLS.format(trust="Untrusted"), Session("mx.receiver.example", "untrusted", "TLSv1.3")),
    (
        "postfix/google/smtp",
        TLS.format(trust="Verified"),
        Session("mx.receiver.example", "verified", "TLSv1.3"),
    ),
    ("postfix/tlsproxy", TLS.format(trust="Untrusted"), None),
    ("postfix/smtp", TLS.format(trust="Untrusted").replace("established", "reused"), None),
    (
        "postfix/submission/smtpd",
        "warning: connect to Milter service inet:127.0.0.1:11332: Connection refused",
        Trouble("warning"),
    ),
    ("postfix/smtpd", "4jcMSb38LVzxGYF: client=localhost[127.0.0.1]", None),
    ("postfix/smtpd", "disconnect from unknown[198.18.0.1] ehlo=1 starttls=0/1 quit=1 commands=2/3", None),
    ("postfix/smtp", "connect to mx.dead.example[198.19.0.99]:25: No route to host", None),
    ("postfix/scache", "statistics: start interval Nov 28 20:35:57", None),
    ("dovecot", "warning: postfix would say so", None),
    ("postfix", "fatal: no daemon", None),
    ("sshd/postfix/smtp", GOOGLE_BLOCKS, None),
]


@pytest.mark.parametrize(("program", "message", "said"), LINES, ids=[line[1][:50] for line in LINES])
def test_a_line_is_read_as_what_it_says(program: str, message: str, said: Event | None) -> None:
    assert parse(program, message) == said


DELIVERIES = [
    # program, line, host, result, code, reply's code, stage
    ("postfix/google/smtp", GOOGLE_BLOCKS, "aspmx.l.google.com", "bounced", "5.7.1", 554, Stage.RCPT),
    (
        "postfix/smtp",
        (
            "4jcMVy4Cj8zxGYP: to=<carl@receiver.example>, relay=mx.receiver.example[198.19.0.20]:25, delay=2.8,"
            " delays=0.57/0.38/0.93/0.9, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 87E0F57A99A)"
        ),
        "mx.receiver.example",
        "sent",
        "2.0.0",
        250,
        Stage.DATA,
    ),
    (
        "postfix/smtp",
        (
            "4jcMVz0FyHzxGZG: to=<bounce@receiver.example>, orig_to=<old@alpha.example>,"
            " relay=mx.receiver.example[198.19.0.20]:25, conn_use=2, delay=2.6, delays=0.08/2.5/0.02/0.01, dsn=5.1.1,"
            " status=bounced (host mx.receiver.example[198.19.0.20] said: 550 5.1.1 <bounce@receiver.example>: Recipient"
            " address rejected: The email account that you tried to reach does not exist (in reply to RCPT TO command))"
        ),
        "mx.receiver.example",
        "bounced",
        "5.1.1",
        550,
        Stage.RCPT,
    ),
    (
        "postfix/smtp",
        (
            "4jcMdm6KskzxGYm: to=<x@refused.example>, relay=none, delay=0.27, delays=0.11/0.15/0.01/0, dsn=4.4.1,"
            " status=deferred (connect to mx.refused.example[198.18.0.1]:25: Connection refused)"
        ),
        "mx.refused.example",
        "deferred",
        "4.4.1",
        None,
        Stage.CONNECT,
    ),
    (
        "postfix/error",
        (
            "4jcMdv1vBKzxGZn: to=<plain@refused.example>, relay=none, delay=0.08, delays=0.08/0/0/0, dsn=4.4.1, status=deferred"
            " (delivery temporarily suspended: connect to mx.refused.example[198.18.0.1]:25: Connection refused)"
        ),
        "mx.refused.example",
        "deferred",
        "4.4.1",
        None,
        Stage.CONNECT,
    ),
    (
        "postfix/smtp",
        (
            "4jcMdp2XGgzxGZ3: to=<x@nomx.example>, relay=none, delay=0.24, delays=0.08/0.16/0/0, dsn=5.4.4, status=bounced"
            " (Host or domain name not found. Name service error for name=gone.nomx.example type=A: Host not found)"
        ),
        "",
        "bounced",
        "5.4.4",
        None,
        Stage.CONNECT,
    ),
    (
        "postfix/yahoo/smtp",
        (
            "4jcMdr0P2KzxGZ6: to=<a@yahoo.example>, relay=mta7.am0.yahoodns.net[198.19.0.20]:25, delay=0.11,"
            " delays=0.08/0/0.02/0, dsn=4.7.0, status=deferred (host mta7.am0.yahoodns.net[198.19.0.20] refused to talk to me:"
            " 421 4.7.0 [TSS04] Messages from 203.0.113.5 temporarily deferred due to unexpected volume or user complaints)"
        ),
        "mta7.am0.yahoodns.net",
        "deferred",
        "4.7.0",
        421,
        Stage.BANNER,
    ),
]


@pytest.mark.parametrize("line", DELIVERIES, ids=[line[1][17:60] for line in DELIVERIES])
def test_a_delivery_tells_server_result_and_reply(
    line: tuple[str, str, str, str, str, int | None, Stage],
) -> None:
    program, message, *said = line
    event = parse(program, message)
    assert isinstance(event, Delivery)
    reply = event.reply.code if event.reply else None
    assert [event.host, event.result, event.code, reply, event.stage] == said
    assert not event.inbound


def test_mail_for_our_own_mailboxes_is_told_apart() -> None:
    event = parse(
        "postfix/lmtp",
        "4jcMW14k5YzxGYd: to=<anna.berg@alpha.example>, relay=n1.infra.example[private/dovecot-lmtp], delay=0.2,"
        " delays=0.01/0.02/0.16/0.01, dsn=2.0.0, status=sent (250 2.0.0 <anna.berg@alpha.example> B7OuMS07 Saved)",
    )
    assert isinstance(event, Delivery)
    assert event.inbound
    assert (event.domain, event.result) == ("alpha.example", "sent")


@pytest.mark.parametrize("recipient", ['"a>, relay=evil[1"@x.example', "<>@x.example", "a=<b@x.example"])
def test_a_strange_recipient_does_not_pass_for_the_rest_of_the_line(recipient: str) -> None:
    event = parse("postfix/smtp", GOOGLE_BLOCKS.replace("carl@bigmail.example", recipient))
    assert event is None or (
        isinstance(event, Delivery) and event.result == "bounced" and event.code == "5.7.1"
    )


PROGRAMS = st.sampled_from(
    ["postfix/smtp", "postfix/qmgr", "postfix/smtpd", "postfix/cleanup", "postfix/bounce"]
)


@settings(deadline=None)
@given(PROGRAMS | st.text(), st.text() | st.sampled_from(LINES).map(lambda line: line[1]))
def test_garbage_is_read_without_an_error(program: str, message: str) -> None:
    if event := parse(program, message):
        Tally(["alpha.example"], OPERATORS).take(event)


@settings(deadline=None)
@given(PROGRAMS, st.sampled_from([line[1] for line in [*LINES, *DELIVERIES]]), st.data())
def test_a_broken_line_is_read_without_an_error(program: str, message: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(message)))
    end = data.draw(st.integers(start, len(message)))
    broken = message[:start] + data.draw(st.text(max_size=8)) + message[end:]
    if event := parse(program, broken):
        Tally(["alpha.example"], OPERATORS).take(event)
