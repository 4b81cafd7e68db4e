"""Lists: nothing lost, nothing twice, whatever happens."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.validator.servers import PORT, Mx, World
from validator.cli import _explain_line

HEADER = "name,email,note\n"


@pytest.fixture
def config(world: World, tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    host, port = world.resolver
    path.write_text(
        f'helo = "probe.test"\nallow_private = true\nsmtp_port = {PORT}\nrate_limit = 0.0\n'
        f'resolver = "{host}:{port}"\n'
        '[[operator]]\nname = "default"\nrate = 0\nconnects = 0\ndaily = 0\n'
    )
    return path


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-c", "from validator.cli import main; main()", *map(str, arguments)]


def run(*arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command(*arguments), input=stdin, capture_output=True, timeout=120, check=False)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_columns_are_carried_through_and_duplicates_checked_once(
    world: World, config: Path, tmp_path: Path
) -> None:
    server = world.domain("a.test", "127.0.44.1", Mx(users={"joe"}))
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(HEADER + 'Joe,joe@a.test,"x,\ny"\nNo,no@a.test,\nAgain,JOE@A.TEST,dup\nBad,bad@@,\n')
    done = run("bulk", source, "-o", target, "--config", config, "--ordered")
    assert done.returncode == 0, done.stderr
    found = rows(target)
    assert [row["status"] for row in found] == ["VALID", "MAILBOX_NOT_FOUND", "VALID", "INVALID_SYNTAX"]
    assert found[0]["note"] == "x,\ny"
    asked = Counter(address for session in server.sessions for address in session.recipients)
    assert asked["joe@a.test"] == 1
    assert "JOE@a.test" not in asked
    assert not list(tmp_path.glob("*.state*"))


@pytest.mark.parametrize("ordered", [False, True])
def test_after_kill_9_resume_loses_nothing_and_repeats_at_most_what_was_in_flight(
    world: World, config: Path, tmp_path: Path, *, ordered: bool
) -> None:
    count, at_once = 300, 4
    servers = [
        world.domain(
            f"d{n}.test", f"127.0.44.{n + 1}", Mx(users={f"u{i}" for i in range(0, count, 2)}, delay=0.004)
        )
        for n in range(10)
    ]
    source, target = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text("".join(f"u{i}@d{i % 10}.test\n" for i in range(count)))
    options = ["--config", config, "--concurrency", at_once, *(["--ordered"] if ordered else [])]
    process = subprocess.Popen(command("bulk", source, "-o", target, *options), stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while time.monotonic() < until and (not target.exists() or target.read_bytes().count(b"\n") < 60):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with target.open("ab") as out:
        out.write(b'{"row": 9999, "half')  # as a record that was being written
    done = run("bulk", source, "-o", target, "--resume", *options)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in target.read_text().splitlines()]
    assert sorted(item["row"] for item in found) == list(range(1, count + 1))
    assert {item["email"]: item["valid"] for item in found} == {
        f"u{i}@d{i % 10}.test": i % 2 == 0 for i in range(count)
    }
    if ordered:
        assert [item["row"] for item in found] == list(range(1, count + 1))
    asked = Counter(
        a for server in servers for session in server.sessions for a in session.recipients if a[0] == "u"
    )
    # In flight: what the sessions open at the kill had asked in one batch.
    assert sum(times - 1 for times in asked.values()) <= at_once * 11


def test_ctrl_c_ends_cleanly_with_a_checkpoint(world: World, config: Path, tmp_path: Path) -> None:
    server = world.domain("slow.test", "127.0.44.1", Mx(users={f"u{i}" for i in range(400)}, delay=0.02))
    source, target = tmp_path / "in.txt", tmp_path / "out.csv"
    source.write_text("".join(f"u{i}@slow.test\n" for i in range(400)))
    process = subprocess.Popen(
        command("bulk", source, "-o", target, "--config", config), stderr=subprocess.PIPE
    )
    until = time.monotonic() + 60
    while time.monotonic() < until and (not target.exists() or target.read_bytes().count(b"\n") < 20):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"--resume" in said
    assert b"Traceback" not in said
    time.sleep(0.2)
    assert all(session.quit for session in server.sessions)
    assert run("bulk", source, "-o", target, "--config", config, "--resume").returncode == 0
    assert len(rows(target)) == 400


@pytest.mark.parametrize(
    ("name", "data", "statuses"),
    [
        ("long.txt", b"x" * 65536 + b"@a.test\n", ["INVALID_SYNTAX"]),
        ("endless.txt", b"x" * (3 << 20) + b"\njoe@a.test\n", ["INVALID_SYNTAX", "VALID"]),
        ("nul.txt", b"jo\x00e@a.test\n", ["INVALID_SYNTAX"]),
        ("cr.txt", b"joe@a.test\rRCPT TO:<x@y.z>\n", ["INVALID_SYNTAX"]),
        ("latin1.csv", b"email,name\njoe@a.test,J\xf6rg\nj\xf6rg@a.test,\n", ["VALID", "INVALID_SYNTAX"]),
        ("nul.csv", b"email,name\njoe@a.test,\x00\n", ["VALID"]),
        ("bom.csv", b"\xef\xbb\xbfemail\njoe@a.test\n", ["VALID"]),
        ("semicolon.csv", b"name;E-Mail\nJoe;joe@a.test\n", ["VALID"]),
        (
            "broken.jsonl",
            b'{"email": "joe@a.test"}\n{"email": 5}\nnot json\n[]\n',
            ["VALID", *["INVALID_SYNTAX"] * 3],
        ),
        ("empty.txt", b"", []),
        ("blank.txt", b"\n\n \n", []),
    ],
)
def test_bad_input_gets_a_verdict_for_each_record(  # noqa: PLR0917 - fixtures and a row of the table
    world: World, config: Path, tmp_path: Path, name: str, data: bytes, statuses: list[str]
) -> None:
    world.domain("a.test", "127.0.44.1", Mx(users={"joe"}))
    source, target = tmp_path / name, tmp_path / "out.jsonl"
    source.write_bytes(data)
    done = run("bulk", source, "-o", target, "--config", config, "--ordered")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["status"] for line in target.read_text().splitlines()] == statuses


@pytest.mark.parametrize(
    ("name", "data", "options", "says"),
    [
        ("in.csv", b"", [], "empty"),
        ("in.csv", b"a,b\n1,2\n", [], "no column called email"),
        ("in.csv", b'email\n"' + b"x\n" * (1 << 20), [], "field"),
        ("in.txt", b"\xff\xfea\x00", [], "UTF-16"),
        ("in.txt", b"a@b.c\n", ["--source-ip", "nonsense"], "not an IP address"),
        ("in.txt", b"a@b.c\n", ["--resolver", "nonsense"], "IP:PORT"),
        ("in.txt", b"a@b.c\n", ["--format", "xml"], "txt, csv, jsonl"),
        ("in.txt", b"a@b.c\n", ["-o", "/proc/no/out.csv"], "/proc/no/out.csv"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    tmp_path: Path, name: str, data: bytes, options: list[str], says: str
) -> None:
    source = tmp_path / name
    source.write_bytes(data)
    target = [] if "-o" in options else ["-o", tmp_path / "out.csv"]
    done = run("bulk", source, *target, *options)
    assert done.returncode == 1
    assert says in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_an_existing_output_is_not_overwritten_by_accident(tmp_path: Path) -> None:
    source, target = tmp_path / "in.txt", tmp_path / "out.csv"
    source.write_text("bad@@\n")
    target.write_text("precious")
    done = run("bulk", source, "-o", target)
    assert done.returncode == 1
    assert b"--overwrite" in done.stderr
    assert target.read_text() == "precious"


@pytest.mark.root
def test_a_full_disk_ends_the_run_in_one_line_with_the_output_whole(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], check=True)
    try:
        source, target = tmp_path / "in.txt", disk / "out.jsonl"
        source.write_text("".join(f"bad{i}@@\n" for i in range(5000)))
        done = run("bulk", source, "-o", target)
        assert done.returncode == 1
        assert done.stderr.count(b"\n") == 1
        assert b"--resume" in done.stderr
        written = target.read_bytes()
        assert all(json.loads(line) for line in written.splitlines())
        subprocess.run(["mount", "-o", "remount,size=32m", str(disk)], check=True)
        assert run("bulk", source, "-o", target, "--resume").returncode == 0
        assert len(target.read_bytes().splitlines()) == 5000
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_standard_input_is_a_list_too(world: World, config: Path, tmp_path: Path) -> None:
    world.domain("a.test", "127.0.44.1", Mx(users={"joe"}))
    target = tmp_path / "out.csv"
    done = run("bulk", "-", "-o", target, "--config", config, "--json", stdin=b"joe@a.test\n")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["statuses"] == {"VALID": 1}


def test_explain_answers_each_line_in_order(tmp_path: Path) -> None:
    lines = [
        '{"reply": "550 5.1.1 User unknown", "mx": null, "stage": null}',
        "not json",
        '{"reply": "550 5.1.1 User unknown", "stage": "mail"}',
        '{"reply": "452 4.2.2 Over quota", "mx": "mx.example.com", "stage": "RCPT TO"}',
    ]
    done = run("explain", "--jsonl", stdin="\n".join(lines).encode())
    found = [json.loads(line)["status"] for line in done.stdout.splitlines()]
    assert found == ["MAILBOX_NOT_FOUND", "UNKNOWN", "BLOCKED", "FULL"]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b'{"reply": "550 No such user"}', "MAILBOX_NOT_FOUND"),
        (b'{"reply": "550-5.1.1 No such\\r\\n550 5.1.1 user\\r\\n", "stage": ""}', "MAILBOX_NOT_FOUND"),
        ('{"reply": "550 Usuário inexistente"}'.encode("latin-1"), "MAILBOX_NOT_FOUND"),
        (b'{"reply": "550 user \\u0000 unknown \\ud800"}', "MAILBOX_NOT_FOUND"),
        (b'{"reply": "550 ' + b"user unknown " * 100_000 + b'"}', "MAILBOX_NOT_FOUND"),
        *(
            (b'{"reply": "550 No such user", "stage": "%s"}' % stage, "BLOCKED")
            for stage in (b"connect", b"BANNER", b"ehlo", b"helo", b"STARTTLS", b"mail", b"MAIL FROM")
        ),
        (b'{"reply": "550 No such user", "stage": "end of DATA"}', "UNKNOWN"),
        (b'{"reply": "550 No such user", "stage": "RCPT TO"}', "MAILBOX_NOT_FOUND"),
        (b'{"reply": ""}', "UNKNOWN"),
    ],
)
def test_explain_reads_a_line_whatever_its_bytes_and_only_rcpt_is_about_the_mailbox(
    line: bytes, status: str
) -> None:
    assert _explain_line(line)["status"] == status


@pytest.mark.parametrize(
    "line",
    [b"{", b"[]", b"{}", b'{"reply": null}', b"\xff\xfe", b"[" * 100_000, b'{"reply": "1", "stage": "moon"}'],
)
def test_a_line_that_is_no_question_gets_one_clear_error_in_its_place(line: bytes) -> None:
    found = _explain_line(line)
    assert (found["status"], found["reason"]) == ("UNKNOWN", "unreadable")
    assert len(found["error"].splitlines()) == 1


def test_explain_names_the_rule_and_its_source() -> None:
    done = run("explain", "550 5.7.1 Unable to relay", "--mx", "mx.example.com", "--stage", "rcpt")
    assert done.returncode == 0
    assert b"relay-denied" in done.stdout


def test_the_exit_code_of_check_tells_whether_all_are_valid(world: World, config: Path) -> None:
    world.domain("a.test", "127.0.44.1", Mx(users={"joe"}))
    assert run("check", "joe@a.test", "--config", config, "--json").returncode == 0
    assert run("check", "joe@a.test", "no@a.test", "--config", config).returncode == 3
    assert run("check").returncode == 1


def test_the_doctor_says_in_words_what_is_wrong(world: World, config: Path) -> None:
    world.domain("a.test", "127.0.44.1", Mx())
    world.zone.records["7.30.0.127.in-addr.arpa", "PTR"] = ["probe.test."]
    world.zone.records["probe.test", "A"] = ["127.0.30.7"]
    world.zone.records["probe.test", "MX"] = ["10 probe.test."]
    world.zone.records["probe.test", "TXT"] = ['"v=spf1 a -all"']
    arguments = ["doctor", "--config", config, "--via", "a.test", "--source-ip", "127.0.30.7"]
    good = run(*arguments)
    assert good.returncode == 0, good.stdout
    world.zone.records["7.30.0.127.zen.spamhaus.org", "A"] = ["127.0.0.2"]
    del world.zone.records["probe.test", "TXT"]
    bad = run(*arguments)
    assert bad.returncode == 3
    assert b"zen.spamhaus.org" in bad.stdout
    assert b"SPF" in bad.stdout
    assert os.linesep.encode() in bad.stdout
