"""The probe on this very machine: one line of JSON, whatever the machine has and whatever breaks."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from inventory.places import CERTIFICATE
from status.facts import HostFacts
from status.observe import understood
from status.probe import commands, machine, mail, tls, tools
from status.ssh import Reply
from status.wire import script


def ask(environment: Mapping[str, str] | None = None, **over: Any) -> HostFacts:
    asked = {
        "units": ["ssh"],
        "mail": True,
        "keys": {},
        "certificate": CERTIFICATE,
        "recipients": [],
        "outgoing": [],
        "knocks": [],
        "hub": None,
    }
    done = subprocess.run(
        [sys.executable, "-I", "-", json.dumps(asked | over)],
        input=script(),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.count("\n") == 1
    facts = understood(Reply(done.stdout)).facts
    assert facts is not None
    return facts


@pytest.fixture
def door() -> Iterator[int]:
    """A port of this machine that somebody listens on, on every address."""
    with socket.create_server(("0.0.0.0", 0)) as server:
        yield server.getsockname()[1]


def test_what_a_machine_without_any_command_can_say_is_said_and_the_rest_has_its_reason(door: int) -> None:
    facts = ask({"PATH": "/nonexistent"}, knocks=[["127.0.0.1", 9100], ["127.0.0.1", 8025]])
    assert abs(facts.started - time.time()) < 60
    assert facts.memory
    assert facts.memory.total > facts.memory.available > 0
    assert facts.disks
    assert {disk.mount for disk in facts.disks} >= {"/"}
    assert door in (facts.listening or ())
    assert facts.knocks == {"127.0.0.1 9100": False, "127.0.0.1 8025": False}
    assert facts.errors["units"] == "systemctl is not installed"
    assert facts.errors["queue"] == "postqueue is not installed"
    assert facts.errors["certificate"] == f"{CERTIFICATE}: No such file or directory"
    assert set(facts.errors) >= {"updates", "sshd", "firewall", "mail", "failed"}


def test_loopback_ports_do_not_count_as_listening() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert server.getsockname()[1] not in (ask({"PATH": "/nonexistent"}).listening or ())


def test_the_key_on_disk_and_the_certificate_are_read(tmp_path: Path) -> None:
    key, pem = tmp_path / "a.key", tmp_path / "mail.pem"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    subprocess.run(
        [*("openssl", "req", "-x509", "-new", "-key", key, "-days", "30", "-subj", "/CN=n1"), "-out", pem],
        check=True,
        capture_output=True,
    )
    pem.write_text(key.read_text() + pem.read_text())
    public = subprocess.run(
        ["openssl", "pkey", "-in", key, "-pubout"], check=True, capture_output=True, text=True
    ).stdout
    assert mail.keys({"a.example": str(key), "b.example": "/nonexistent"}) == {
        "a.example": "".join(public.splitlines()[1:-1])
    }
    found = tls.certificate(str(pem))
    assert 29.9 * 86_400 < found["not_after"] - time.time() < 30.1 * 86_400
    shown = subprocess.run(
        ["openssl", "x509", "-in", pem, "-noout", "-fingerprint", "-sha256"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert found["fingerprint"] == shown.strip().partition("=")[2].replace(":", "").lower()


def test_a_queue_is_counted_and_its_oldest_mail_found(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    rows = [{"queue_id": str(age), "arrival_time": int(now - age)} for age in (10, 5000, 300)]
    monkeypatch.setattr(mail, "run", lambda *_, **__: "".join(f"{json.dumps(row)}\n" for row in rows))
    found = mail.queue()
    assert found["mails"] == 3
    assert found["oldest"] == pytest.approx(5000, abs=5)


SIMULATED = """\
Inst libssl3t64 [3.5.1-1] (3.5.1-1+deb13u1 Debian-Security:13/stable-security [amd64]) []
Inst tzdata [2025b-4] (2025b-5 Debian:13.2/stable [all])
Inst openssl [3.5.1-1] (3.5.1-1+deb13u1 Debian-Security:13/stable-security [amd64])
Conf libssl3t64 (3.5.1-1+deb13u1 Debian-Security:13/stable-security [amd64])
"""


def test_only_updates_of_the_security_archive_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "run", lambda *_, **__: SIMULATED)
    assert machine.updates()["security"] == ["libssl3t64", "openssl"]


RULES = (
    "table inet outreach {\n\tchain input {\n\t\ttype filter hook input priority filter; policy %s;\n\t}\n}\n"
)


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        (RULES % "drop", {"loaded": True, "drops": True}),
        (RULES % "accept", {"loaded": True, "drops": False}),
        ("", {"loaded": False, "drops": False}),
    ],
)
def test_the_rules_of_the_firewall_are_read(
    monkeypatch: pytest.MonkeyPatch, rules: str, found: dict[str, bool]
) -> None:
    monkeypatch.setattr(machine, "run", lambda *_, **__: rules)
    assert machine.firewall() == found


TRACKING = "C0A80101,192.0.2.123,3,1795507924.1,-0.000012,0.0001,0.0002,-5.1,0.0,0.1,0.02,0.003,64.2,{leap}\n"


def test_chrony_is_read_and_where_systemd_skips_it_there_is_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "units", lambda _: {"chrony.service": {"runnable": True}})
    monkeypatch.setattr(machine, "run", lambda *_, **__: TRACKING.format(leap="Not synchronised"))
    assert machine.clock() == {"leap": "Not synchronised", "offset": -0.000012}
    monkeypatch.setattr(machine, "units", lambda _: {"chrony.service": {"runnable": False}})
    assert machine.clock() is None


SHOWN = """\
Id=ssh.service
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
ConditionResult=yes
ConditionTimestampMonotonic=5

Id=nope.service
LoadState=not-found
ActiveState=inactive
SubState=dead
UnitFileState=
ConditionResult=no
ConditionTimestampMonotonic=0

Id=outreach-api.service
LoadState=loaded
ActiveState=inactive
SubState=dead
UnitFileState=enabled
ConditionResult=no
ConditionTimestampMonotonic=7
"""


def test_units_asked_for_and_our_own_enabled_ones_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*argv: str, **_: object) -> str:
        return "outreach-api.service enabled enabled\n" if "list-unit-files" in argv else SHOWN

    monkeypatch.setattr(machine, "run", run)
    found = machine.units(["ssh", "nope"])
    assert list(found) == ["ssh", "nope", "outreach-api.service"]
    assert (found["ssh"]["active"], found["ssh"]["runnable"]) == ("active", True)
    assert (found["nope"]["active"], found["nope"]["runnable"]) == ("not-found", True)
    assert found["outreach-api.service"]["runnable"] is False


def test_a_command_that_hangs_costs_its_section_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "PATIENCE", 0.2)
    with pytest.raises(commands.Unread, match=r"sleep took longer than 0\.2 s"):
        commands.run("sleep", "5")


def test_a_greeting_of_a_mail_server_is_told_and_anything_else_is_a_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = iter(["220 mx.example ESMTP", "554 no service for you"])
    monkeypatch.setattr(mail, "as_postfix", lambda *_: next(said))
    assert mail.outgoing(["192.0.2.1"]) == {"greeting": "220 mx.example ESMTP"}
    assert mail.outgoing(["192.0.2.1"]) == {"problem": "192.0.2.1: 554 no service for you"}
    assert mail.outgoing([]) == {"problem": "nobody to dial"}


@pytest.mark.parametrize("text", ["", "Last login: yesterday", "{}", '{"started": "soon", "ended": 1}'])
def test_an_answer_that_is_none_is_one_line(text: str) -> None:
    inside = understood(Reply(text))
    assert inside.facts is None
    assert inside.problem.startswith("its answer cannot be understood: ")


def test_a_host_without_an_answer_keeps_its_reason() -> None:
    assert (
        understood(Reply(None, "no SSH at 192.0.2.1: timed out")).problem == "no SSH at 192.0.2.1: timed out"
    )


def test_the_api_is_asked_over_tls_on_its_own_address(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import ssl

    pem = tmp_path / "api.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "3", "-subj", "/CN=n1"),
            "-keyout",
            pem,
            "-out",
            tmp_path / "c",
        ],
        check=True,
        capture_output=True,
    )
    pem.write_text(pem.read_text() + (tmp_path / "c").read_text())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    body = b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"status":"ok","version":"0.1.0+ab"}'
    # Any address but loopback, where it speaks in the clear.
    with socket.create_server(("0.0.0.0", 0)) as server:

        def answer() -> None:
            link, _ = server.accept()
            with context.wrap_socket(link, server_side=True) as secured:
                assert secured.recv(4096).startswith(b"GET /health HTTP/1.1")
                secured.sendall(body)

        thread = threading.Thread(target=answer)
        thread.start()
        port = server.getsockname()[1]
        monkeypatch.setattr(tools, "run", lambda *_, **__: f"0.0.0.0:{port} (Stream)\n")
        assert tools.api_health() == {"health": 200, "health_version": "0.1.0+ab"}
        thread.join()
    assert "refused" in tools.api_health()["health_problem"]


def test_the_api_is_asked_in_the_clear_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"status":"ok","version":"0.1.0+ab"}'
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            link, _ = server.accept()
            with link:
                assert link.recv(4096).startswith(b"GET /health HTTP/1.1")
                link.sendall(body)

        thread = threading.Thread(target=answer)
        thread.start()
        port = server.getsockname()[1]
        monkeypatch.setattr(tools, "run", lambda *_, **__: f"127.0.0.1:{port} (Stream)\n")
        assert tools.api_health() == {"health": 200, "health_version": "0.1.0+ab"}
        thread.join()


def test_a_door_is_open_if_a_connection_comes_about(door: int) -> None:
    assert mail.knock("127.0.0.1", door)
    assert not mail.knock("127.0.0.1", 1)
