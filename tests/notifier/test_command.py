"""The `notifier` command, as a shell sees it: one clear line, the right status, no loss, no secret shown."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from notifier.clock import SPEED as HURRY
from notifier.credentials import DEFAULT_FILE
from notifier.outbox import Outbox
from tests.notifier.conftest import SPEED, Telegram


class Shell:
    """Runs the command for the emulated team."""

    def __init__(self, telegram: Telegram, outbox: Path) -> None:
        self.env: dict[str, str] = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TELEGRAM")},
            **{name: value for name, value in telegram.env.items() if name.startswith("TELEGRAM")},
            HURRY: str(SPEED),
            "NOTIFIER_TIMEOUT": "60",
            "NOTIFIER_OUTBOX": str(outbox),
        }
        self.token = self.env["TELEGRAM_BOT_TOKEN"]

    def run(
        self,
        *words: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> tuple[int, str, str]:
        """Status, standard output and standard error, both stripped."""
        done = subprocess.run(
            [*before, sys.executable, "-m", "notifier", *words],
            input=stdin,
            env={**self.env, **(env or {})},
            capture_output=True,
            timeout=60,
            check=False,
        )
        out, err = done.stdout.decode().strip(), done.stderr.decode().strip()
        assert self.token not in out + err
        assert "Traceback" not in err, err
        return done.returncode, out, err

    def refuses(self, *words: str, **how: object) -> str:
        """The one line on standard error of a command that fails."""
        status, out, err = self.run(*words, **how)  # type: ignore[arg-type]  # options of run
        assert (status, out, len(err.splitlines())) == (1, "", 1), (status, out, err)
        assert err.startswith("notifier: ")
        return err.removeprefix("notifier: ")


@pytest.fixture
def shell(telegram: Telegram, outbox: Path) -> Shell:
    return Shell(telegram, outbox)


def test_a_text_is_sent_from_the_command_line_a_file_or_standard_input(
    shell: Shell, telegram: Telegram, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("из файла\n")
    assert shell.run("send", "-3 % & <more>")[1].startswith("sent #")
    assert shell.run("send", "--file", str(tmp_path / "text"))[0] == 0
    assert shell.run("send", "-", stdin=b"from a pipe")[0] == 0
    assert telegram.texts() == ["-3 % & <more>", "из файла", "from a pipe"]


def test_an_alert_and_a_report_are_sent_with_their_fields(shell: Shell, telegram: Telegram) -> None:
    status, out, _ = shell.run(
        *("alert", "bounce rate", "--value", "6.2 %", "--limit", "5 %", "--sample", "312"),
        *("--command", "outreach pause n1", "--source", "n1", "--dedupe-key", "bounce/n1", "--json"),
    )
    assert status == 0
    receipt = json.loads(out)
    assert receipt["fate"] == "sent"
    again = ("alert", "bounce rate", "--value", "7 %", "--limit", "5 %", "--dedupe-key", "bounce/n1")
    assert shell.run(*again)[1].startswith("counted #")
    assert shell.run("report", "Day", "-", "--silent", stdin=b"60,000 sent")[0] == 0
    first, second = telegram.texts()
    assert first.splitlines()[:5] == [
        "⚠️ bounce rate",
        "value: 6.2 %",
        "limit: 5 %",
        "sample: 312",
        "run: outreach pause n1",
    ]
    assert first.endswith(f"#{receipt['event']}")
    assert second.startswith("Day\n\n60,000 sent")


def test_files_are_sent_along(shell: Shell, telegram: Telegram, tmp_path: Path) -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(8) + bytes([0, 0, 1, 0] * 2)
    (tmp_path / "chart.png").write_bytes(png)
    (tmp_path / "books.csv").write_bytes(b"a,b\n")
    files = ("--photo", str(tmp_path / "chart.png"), "--document", str(tmp_path / "books.csv"))
    assert shell.run("send", "<b>chart</b>", "--html", *files)[0] == 0
    first, second = telegram.messages()
    assert (first["caption"], first["photo"]["bytes"]) == ("chart", len(png))
    assert second["document"] == {"name": "books.csv", "bytes": 4}


def test_what_cannot_be_sent_now_is_queued_and_flushed_later(shell: Shell, telegram: Telegram) -> None:
    telegram.fail("error", status=502, count=None)
    status, out, err = shell.run("send", "hello", "--wait", "1s")
    assert (status, err) == (0, "")
    assert out.startswith("queued #")
    assert out.endswith(": 502 Bad Gateway")
    assert shell.run("flush", "--wait", "1")[:2] == (1, "1 left in the queue")
    assert shell.run("status")[1].startswith("waiting 1 (oldest ")
    telegram.clear_faults("telegram")
    assert shell.run("flush", "--wait", "10m")[:2] == (0, "the queue is empty")
    assert telegram.texts() == ["hello"]
    assert json.loads(shell.run("status", "--json")[1])["sent"] == 1


def test_a_queue_that_was_never_used_is_empty_and_no_fault(shell: Shell, outbox: Path) -> None:
    assert shell.run("status") == (0, f"nothing queued in {outbox}", "")
    assert json.loads(shell.run("status", "--json")[1])["waiting"] == 0
    assert not outbox.exists()


def test_what_was_refused_is_shown_and_can_be_tried_again(shell: Shell, telegram: Telegram) -> None:
    telegram.know({"id": 9, "says": "403 Forbidden: bot was blocked by the user"})
    status, out, err = shell.run("send", "hello", env={"TELEGRAM_CHAT_ID": "9"})
    assert (status, err) == (1, "")
    assert out.startswith("refused #")
    assert out.endswith(": 403 Forbidden: bot was blocked by the user")
    assert "refused #" in shell.run("status")[1]
    telegram.know({"id": 9})
    assert shell.run("flush", "--refused")[:2] == (0, "the queue is empty")
    assert telegram.texts() == ["hello"]


def test_serving_ends_with_status_0_on_sigterm(shell: Shell, telegram: Telegram) -> None:
    shell.run("send", "hello", "--wait", "0")
    process = subprocess.Popen(
        [sys.executable, "-m", "notifier", "serve"], env=shell.env, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 30
    while not telegram.texts() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "INFO message 1: sent\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("send", ""), "the text is empty"),
        (("send", " \n"), "the text is empty"),
        (("send", "--file", "/nowhere/text"), "cannot read /nowhere/text: No such file or directory"),
        (("send", "--file", "/"), "cannot read /: Is a directory"),
        (("send", "x", "--photo", "/nowhere.png"), "cannot read /nowhere.png: No such file or directory"),
        (("send", "x", "--file", "/nowhere"), "give TEXT or --file, not both"),
        (("send", "x", "--document", "/dev/null"), "null is empty"),
        (("send", "x", "--base-url", "telegram"), "the base URL 'telegram' is not http(s)://HOST"),
        (("send", "x", "--credentials", "/nowhere"), "cannot read /nowhere: No such file or directory"),
        (("alert", " ", "--value", "1", "--limit", "2"), "the rule is empty"),
    ],
)
def test_bad_input_is_one_clear_line_and_nothing_is_queued(
    shell: Shell, outbox: Path, words: Sequence[str], says: str
) -> None:
    assert shell.refuses(*words) == says
    assert not outbox.exists()


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"TELEGRAM_CHAT_ID": ""}, f"no TELEGRAM_CHAT_ID: set it in the environment or in {DEFAULT_FILE}"),
        ({"TELEGRAM_CHAT_ID": "the team"}, "the chat 'the team' is neither a number nor an @name"),
        ({"TELEGRAM_BOT_TOKEN": "stuff"}, "the bot token has not the form 123456789:letters-and-digits"),
        ({"NOTIFIER_TIMEOUT": "soon"}, "NOTIFIER_TIMEOUT is 'soon', not a number above 0"),
        ({"NOTIFIER_TEST_SPEED": "0"}, "NOTIFIER_TEST_SPEED is '0', not a number above 0"),
    ],
)  # fmt: skip
def test_a_bad_setting_is_one_clear_line(shell: Shell, env: dict[str, str], says: str) -> None:
    assert shell.refuses("send", "x", env=env) == says


def test_text_that_is_no_text_is_one_clear_line(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"ab\xff")
    says = shell.refuses("send", "--file", str(tmp_path / "binary"))
    assert says.endswith("binary is no UTF-8 text (byte 2); send it with --document")
    assert "standard input is no UTF-8 text" in shell.refuses("send", "-", stdin=b"\xff")
    assert "no valid UTF-8" in shell.refuses("send", os.fsdecode(b"ab\xff"))


def test_a_text_of_a_megabyte_arrives_as_a_file_and_says_so(shell: Shell, telegram: Telegram) -> None:
    status, _, err = shell.run("send", "-", stdin=b"long " * 200_000)
    assert (status, err) == (0, "notifier: a text of 1,000,000 characters: sent as a file")
    assert telegram.messages()[0]["document"] == {"name": "message.txt", "bytes": 1_000_000}


def test_invalid_html_arrives_as_plain_text_and_says_so(shell: Shell, telegram: Telegram) -> None:
    status, _, err = shell.run("send", "<b>1 < 2", "--html")
    assert (status, err) == (0, "notifier: invalid HTML (line 1, column 6: a < that begins no tag; write &lt;): sent as plain text")  # fmt: skip  # noqa: E501 - one line is the point
    assert telegram.texts() == ["<b>1 < 2"]


def test_a_wrong_token_is_one_clear_line_and_the_message_stays_queued(
    shell: Shell, telegram: Telegram
) -> None:
    wrong = {"TELEGRAM_BOT_TOKEN": "1234567890:wrong"}
    says = "Telegram refuses the bot: 401 Unauthorized: check the bot token and the base URL"
    assert shell.refuses("send", "hello", env=wrong) == says
    assert shell.refuses("flush", env=wrong) == says
    assert shell.run("serve", env=wrong)[0] == 1
    assert shell.run("flush")[:2] == (0, "the queue is empty")
    assert telegram.texts() == ["hello"]


def test_a_locked_outbox_does_not_keep_a_message_back(shell: Shell, telegram: Telegram, outbox: Path) -> None:
    Outbox(outbox).close()
    with closing(sqlite3.connect(outbox, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        status, out, err = shell.run("send", "hello")
    assert (status, out[:6]) == (0, "sent #")
    assert err == f"notifier: outbox {outbox}: locked by another process; sent without it"
    assert telegram.texts() == ["hello"]


@pytest.mark.root
def test_a_full_disk_does_not_keep_a_message_back(shell: Shell, telegram: Telegram, tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    script = f'mount -t tmpfs -o size=64k none "{tmp_path}/small" && exec "$@"'
    small = ("unshare", "--mount", "sh", "-c", script, "sh")
    env = {"NOTIFIER_OUTBOX": str(tmp_path / "small" / "outbox.sqlite3")}
    status, out, err = shell.run("send", "the disk is full", env=env, before=small)
    assert (status, out[:6]) == (0, "sent #")
    assert err == f"notifier: outbox {tmp_path}/small/outbox.sqlite3: the disk is full; sent without it"
    assert telegram.texts() == ["the disk is full"]
    unreachable = ("send", "x", "--base-url", "http://127.0.0.1:9")
    says = shell.refuses(*unreachable, env=env, before=small)
    assert says.endswith("the disk is full; not sent without it either: no connection to 127.0.0.1:9")


def test_credentials_come_from_a_file_or_from_systemd(
    shell: Shell, telegram: Telegram, tmp_path: Path
) -> None:
    chat = telegram.env["TELEGRAM_CHAT_ID"]
    file = tmp_path / "telegram.env"
    file.write_text(f"# the team\nTELEGRAM_BOT_TOKEN='{shell.token}'\nexport TELEGRAM_CHAT_ID={chat}\n")
    file.chmod(0o640)
    (tmp_path / "telegram_bot_token").write_text(shell.token + "\n")
    (tmp_path / "telegram_chat_id").write_text(chat)
    nothing = {"TELEGRAM_BOT_TOKEN": "", "TELEGRAM_CHAT_ID": ""}
    assert shell.run("send", "by file", "--credentials", str(file), env=nothing)[0] == 0
    assert shell.run("send", "by systemd", env={**nothing, "CREDENTIALS_DIRECTORY": str(tmp_path)})[0] == 0
    assert telegram.texts() == ["by file", "by systemd"]


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        ("TELEGRAM_BOT_TOKEN=1:a\nTELEGRAM_CHAT_ID=5\n", 0o644, "can be used by every user of this machine"),
        ("TELEGRAM_CHAT_ID=5\n1234:secret-token\n", 0o600, "telegram.env:2: not NAME=value"),
    ],
)  # fmt: skip
def test_a_credentials_file_that_cannot_be_used_is_one_clear_line(
    shell: Shell, tmp_path: Path, content: str, mode: int, says: str
) -> None:
    file = tmp_path / "telegram.env"
    file.write_text(content)
    file.chmod(mode)
    line = shell.refuses("send", "x", "--credentials", str(file), env={"TELEGRAM_BOT_TOKEN": ""})
    assert says in line
    assert "secret-token" not in line


def test_a_time_may_be_written_with_its_unit(shell: Shell) -> None:
    status, _, err = shell.run("send", "x", "--wait", "soon")
    assert status != 0
    assert "write 90, 90s, 15m, 24h or 7d" in " ".join(err.replace("│", " ").split())
