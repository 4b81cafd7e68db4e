"""Whole checks against scripted servers with known truth."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.validator.conftest import Check, settings_for
from tests.validator.servers import Mx, World
from validator import Stage, Status, Validator

IP = "127.0.40.1"


def test_a_mailbox_that_exists_and_one_that_does_not(world: World, check: Check) -> None:
    server = world.domain("a.test", IP, Mx(users={"joe"}))
    yes, no = check("joe@a.test", "nobody@a.test")
    assert (yes.status, yes.valid, yes.label) == (Status.VALID, True, "Valid")
    assert (no.status, no.code, no.enhanced, no.stage) == (Status.MAILBOX_NOT_FOUND, 550, "5.1.1", Stage.RCPT)
    assert yes.mx_host == "mx.a.test"
    assert yes.operator == "a.test"
    assert yes.source_ip == "127.0.0.1"
    assert all(session.quit for session in server.sessions)
    assert not any(
        line.upper().startswith("DATA") for session in server.sessions for line in session.commands
    )


def test_one_session_serves_many_recipients_and_one_random_probe(world: World, check: Check) -> None:
    server = world.domain("a.test", IP, Mx(users={f"u{i}" for i in range(10)}))
    verdicts = check(*(f"u{i}@a.test" for i in range(10)))
    assert {verdict.status for verdict in verdicts} == {Status.VALID}
    asked = [address for session in server.sessions for address in session.recipients]
    assert len(server.sessions) == 1
    assert len(asked) == 11


def test_the_catch_all_probe_is_made_once_and_spares_the_rest(world: World, check: Check) -> None:
    server = world.domain("all.test", IP, Mx(rcpt=lambda _: "250 Ok"))
    verdicts = check(*(f"u{i}@all.test" for i in range(50)))
    assert {verdict.status for verdict in verdicts} == {Status.CATCH_ALL}
    assert verdicts[0].label == "Catch-all (Risky)"
    assert len(server.sessions) == 1
    assert len(server.sessions[0].recipients) <= 11


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ("452 4.2.2 The mailbox is over quota", Status.FULL),
        ("552 5.2.2 Mailbox full", Status.FULL),
        ("550 5.2.1 The account is disabled", Status.DISABLED),
        ("450 4.2.0 Greylisted, please try again in 300 seconds", Status.GREYLISTED),
        ("421 4.7.28 unusual rate of unsolicited mail", Status.THROTTLED),
        (
            "554 5.7.1 Service unavailable; Client host [127.0.0.1] blocked using zen.spamhaus.org",
            Status.BLOCKED,
        ),
        ("451 4.3.0 Temporary lookup failure", Status.TEMPFAIL),
        ("252 Cannot VRFY", Status.UNKNOWN),
    ],
)
def test_every_kind_of_refusal_gets_its_own_status(
    world: World, check: Check, reply: str, status: Status
) -> None:
    world.domain("a.test", IP, Mx(rcpt=lambda local: reply if local == "joe" else None))
    assert check("joe@a.test")[0].status is status


def test_a_refusal_without_words_is_believed_only_if_postmaster_is_not_refused(
    world: World, check: Check
) -> None:
    def some(local: str) -> str:
        return "250 Ok" if local in ("postmaster", "ann") else "550 Rejected"

    world.domain("some.test", IP, Mx(rcpt=some))
    world.domain("none.test", "127.0.40.2", Mx(rcpt=lambda _: "550 Rejected"))
    some_verdict, none_verdict = check("joe@some.test", "joe@none.test")
    assert (some_verdict.status, some_verdict.reason) == (Status.MAILBOX_NOT_FOUND, "not_found_confirmed")
    assert (none_verdict.status, none_verdict.reason) == (Status.UNKNOWN, "refuses_everyone")


def test_an_exchange_edge_that_refuses_even_postmaster_does_not_serve_the_domain(
    world: World, check: Check
) -> None:
    edge = (
        "550 5.4.1 Recipient address rejected: Access denied. AS(201806281) [x.prod.protection.outlook.com]"
    )
    known = {"joe", "postmaster"}
    for name, address, served in (("in.test", IP, known), ("out.test", "127.0.40.2", set[str]())):
        host = f"{name.split('.')[0]}.mail.protection.outlook.com"
        world.zone.mail(name, (10, host, address))
        world.mx(address, Mx(users=served, unknown=edge))
    yes, no, unserved = check("joe@in.test", "nobody@in.test", "joe@out.test")
    assert yes.status is Status.VALID
    assert (no.status, no.reason) == (Status.MAILBOX_NOT_FOUND, "directory_edge_block")
    assert (unserved.status, unserved.reason) == (Status.UNKNOWN, "domain_not_served")


def test_a_slow_banner_is_waited_for_and_a_silent_one_is_a_timeout(world: World, check: Check) -> None:
    world.domain("slow.test", IP, Mx(users={"joe"}, banner_delay=1.0))
    world.domain("mute.test", "127.0.40.2", Mx(banner_delay=30))
    slow, mute = check("joe@slow.test", "joe@mute.test")
    assert slow.status is Status.VALID
    assert (mute.status, mute.stage) == (Status.TIMEOUT, Stage.BANNER)


def test_a_server_that_drops_after_rcpt_is_unknown_not_not_found(world: World, check: Check) -> None:
    server = world.domain("drop.test", IP, Mx(drop_after="RCPT"))
    (verdict,) = check("joe@drop.test")
    assert (verdict.status, verdict.reason, verdict.stage) == (Status.UNKNOWN, "disconnected", Stage.RCPT)
    assert len(server.sessions) == 2


def test_an_address_is_told_once_though_sessions_break_off_amid_their_answers(world: World) -> None:
    served = 0

    def few(local: str) -> str | None:
        nonlocal served
        if len(server.sessions) < 5 or served == 2:
            raise ConnectionResetError
        served += 1
        return "250 Ok"

    server = world.domain("drop.test", IP, Mx(rcpt=few))
    addresses = sorted(f"u{i}@drop.test" for i in range(10))

    async def run() -> list[str]:
        told: list[str] = []
        async with Validator(settings_for(world)) as validator:
            for address in addresses:
                validator.engine.submit(address, lambda verdict: told.append(verdict.email))
            while len(set(told)) < len(addresses):
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
        return told

    assert sorted(asyncio.run(run())) == addresses
    assert served == 2


def test_refused_means_tcp_refused(world: World, check: Check) -> None:
    world.zone.mail("shut.test", (10, "mx.shut.test", "127.0.40.77"))
    assert check("joe@shut.test")[0].status is Status.CONNECTION_REFUSED


def test_a_dead_best_exchanger_fails_over_and_the_backups_word_weighs_less(
    world: World, check: Check
) -> None:
    world.zone.mail("two.test", (10, "mx1.two.test", "127.0.40.77"), (20, "mx2.two.test", IP))
    world.mx(IP, Mx(users={"joe"}))
    (verdict,) = check("joe@two.test")
    assert (verdict.status, verdict.reason, verdict.mx_host) == (
        Status.VALID,
        "accepted_backup",
        "mx2.two.test",
    )
    assert verdict.confidence < 0.7


@pytest.mark.parametrize(
    "banner", ["554 no SMTP service here", "521 mx.test does not accept mail", "421 busy"]
)
def test_a_host_that_refuses_to_greet_is_passed_over(world: World, check: Check, banner: str) -> None:
    world.zone.mail("two.test", (10, "mx1.two.test", "127.0.40.2"), (20, "mx2.two.test", IP))
    decoy = world.mx("127.0.40.2", Mx(banner=banner))
    world.mx(IP, Mx(users={"joe"}))
    assert check("joe@two.test")[0].status is Status.VALID
    assert all(session.quit for session in decoy.sessions)


def test_a_server_without_ehlo_gets_helo(world: World, check: Check) -> None:
    server = world.domain("old.test", IP, Mx(users={"joe"}, ehlo_reply="502 what?"))
    assert check("joe@old.test")[0].status is Status.VALID
    assert "HELO probe.test" in server.sessions[0].commands


def test_without_pipelining_one_command_waits_for_another(world: World, check: Check) -> None:
    world.domain("old.test", IP, Mx(users={"joe", "ann"}, ehlo=["mx.test", "SIZE 1"]))
    assert [v.status for v in check("joe@old.test", "ann@old.test", "x@old.test")] == [
        Status.VALID,
        Status.VALID,
        Status.MAILBOX_NOT_FOUND,
    ]


def test_a_refused_sender_is_tried_once_as_the_null_path(world: World, check: Check) -> None:
    server = world.domain(
        "picky.test", IP, Mx(users={"joe"}, mail="550 5.1.8 Sender address rejected: Domain not found")
    )
    assert check("joe@picky.test")[0].status is Status.VALID
    assert "MAIL FROM:<>" in server.sessions[0].commands


def test_a_refused_sender_never_reads_as_no_such_user(world: World, check: Check) -> None:
    world.domain("picky.test", IP, Mx(users={"joe"}, mail="550 5.1.1 User unknown"))
    (verdict,) = check("joe@picky.test")
    assert (verdict.status, verdict.stage) == (Status.BLOCKED, Stage.MAIL)


def test_too_many_recipients_means_a_new_session_not_an_answer(world: World, check: Check) -> None:
    server = world.domain("few.test", IP, Mx(users={f"u{i}" for i in range(9)}, recipients=4))
    assert {v.status for v in check(*(f"u{i}@few.test" for i in range(9)))} == {Status.VALID}
    assert len(server.sessions) >= 3


def test_a_server_with_two_connections_a_client_gets_no_third_for_long(world: World, check: Check) -> None:
    users = {f"u{i}" for i in range(300)}
    server = world.domain("narrow.test", IP, Mx(users=users, connections=2, delay=0.002))
    verdicts = check(
        *(f"u{i}@narrow.test" for i in range(300)), patience=60.0, budget={"rate": 0, "connects": 0}
    )
    assert {verdict.status for verdict in verdicts} == {Status.VALID}
    assert all(session.quit for session in server.sessions)


def test_microsoft_gets_rset_and_mail_between_recipients(world: World, check: Check) -> None:
    world.zone.mail("ms.test", (10, "ms-test.mail.protection.outlook.com", IP))
    server = world.mx(IP, Mx(users={"joe", "ann"}))
    check("joe@ms.test", "ann@ms.test", operators=settings_with_microsoft_unpaced())
    verbs = [line[:4] for line in server.sessions[0].commands]
    assert verbs.count("RCPT") - verbs.count("RSET") == 1
    assert verbs.count("MAIL") == verbs.count("RCPT")


def settings_with_microsoft_unpaced() -> object:
    from validator.operators import default_operators

    return default_operators({"operator": [{"name": "microsoft", "rate": 0, "connects": 0}]})


def test_consumer_microsoft_is_not_dialled_unless_opted_in(world: World, check: Check) -> None:
    from validator.operators import default_operators

    world.zone.mail("hot.test", (10, "hot-test.olc.protection.outlook.com", IP))
    server = world.mx(IP, Mx(users={"joe"}))
    unpaced = default_operators({"operator": [{"name": "microsoft-consumer", "rate": 0, "connects": 0}]})
    (verdict,) = check("joe@hot.test", operators=unpaced)
    assert (verdict.status, verdict.reason) == (Status.UNKNOWN, "not_probed")
    assert not server.sessions
    assert check("joe@hot.test", operators=unpaced, probe_consumer_microsoft=True)[0].status is Status.VALID


def test_yahoo_accepts_and_bounces_later_so_acceptance_is_a_catch_all(world: World, check: Check) -> None:
    from validator.operators import default_operators

    world.zone.mail("y.test", (10, "mta5.am0.yahoodns.net", IP))
    world.mx(IP, Mx(users={"joe"}, unknown="554 delivery error: dd This user doesn't have a y.test account"))
    unpaced = default_operators({"operator": [{"name": "yahoo", "rate": 0, "connects": 0}]})
    joe, nobody = check("joe@y.test", "nobody@y.test", operators=unpaced)
    assert (joe.status, joe.reason) == (Status.CATCH_ALL, "accepts_then_bounces")
    assert nobody.status is Status.MAILBOX_NOT_FOUND


def test_an_address_beyond_ascii_needs_smtputf8(world: World, check: Check) -> None:
    server = world.domain("a.test", IP, Mx(users={"jörg"}, ehlo=["mx.test", "SMTPUTF8", "PIPELINING"]))
    world.domain("b.test", "127.0.40.2", Mx(users={"jörg"}))
    able, unable = check("jörg@a.test", "jörg@b.test")
    assert able.status is Status.VALID
    assert any("SMTPUTF8" in line for line in server.sessions[0].commands if line.startswith("MAIL"))
    assert (unable.status, unable.reason) == (Status.UNKNOWN, "smtputf8_unsupported")


def test_a_domain_in_another_script_is_asked_by_its_a_label(world: World, check: Check) -> None:
    server = world.domain("xn--bcher-kva.test", IP, Mx(users={"joe"}))
    assert check("joe@bücher.test")[0].status is Status.VALID
    assert "joe@xn--bcher-kva.test" in server.sessions[0].recipients


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    path = tmp_path_factory.mktemp("tls")
    key, cert = str(path / "key"), str(path / "cert")
    subject = ["-subj", "/CN=somebody-else.test", "-days", "1"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        key,
        "-out",
        cert,
        *subject,
    ]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def test_tls_is_used_where_offered_whatever_the_certificate(
    world: World, check: Check, certificate: ssl.SSLContext
) -> None:
    server = world.domain("tls.test", IP, Mx(users={"joe"}, tls=certificate))
    (verdict,) = check("joe@tls.test")
    assert verdict.status is Status.VALID
    commands = server.sessions[0].commands
    assert commands[:3] == ["EHLO probe.test", "STARTTLS", "EHLO probe.test"]
    assert server.sessions[0].quit


def test_where_tls_fails_the_session_is_begun_again_in_the_clear(
    world: World, check: Check, certificate: ssl.SSLContext
) -> None:
    server = world.domain("tls.test", IP, Mx(users={"joe"}, tls=certificate, break_tls=True))
    assert check("joe@tls.test")[0].status is Status.VALID
    assert "STARTTLS" not in server.sessions[-1].commands


@pytest.mark.parametrize(
    "raw",
    [
        b"220 " + b"x" * (10 << 20),
        b"220-more\r\n" * 100_000,
        b"220 half a line",
        b"\x00\xff\xfe garbage\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"999 what\r\n",
    ],
    ids=["10 MB banner", "endless multiline", "half a line", "binary", "http", "no such code"],
)
def test_a_server_that_does_not_speak_smtp_costs_a_verdict_not_memory(
    world: World, check: Check, raw: bytes
) -> None:
    world.domain("odd.test", IP, Mx(raw=raw))
    (verdict,) = check("joe@odd.test")
    assert verdict.status in (Status.UNKNOWN, Status.TIMEOUT)


def test_the_transcript_has_every_line_of_the_session(world: World, check: Check) -> None:
    world.domain("a.test", IP, Mx(users={"joe"}))
    (verdict,) = check("joe@a.test", transcript=True)
    assert verdict.transcript is not None
    said = [line.text for line in verdict.transcript if line.who == ">"]
    assert said[0] == "EHLO probe.test"
    assert said[-1] == "RCPT TO:<joe@a.test>"


def test_the_typo_and_the_flags_are_told(world: World, check: Check) -> None:
    typo, role, disposable, free = check("joe@gmial.com", "info@none.test", "x@mailinator.com", "x@gmail.com")
    assert typo.suggestion == "joe@gmail.com"
    assert role.role
    assert disposable.disposable
    assert free.free


def test_source_addresses_are_used_and_named(world: World, check: Check) -> None:
    server = world.domain("a.test", IP, Mx(users={"joe"}))
    (verdict,) = check("joe@a.test", source_ips=("127.0.30.7",))
    assert verdict.source_ip == "127.0.30.7"
    assert server.sessions[0].peer == "127.0.30.7"


def test_no_file_of_the_room_says_data() -> None:
    room = Path(__file__).parents[2] / "validator"
    assert not any('"DATA' in path.read_text("utf-8") for path in room.glob("*.py"))
