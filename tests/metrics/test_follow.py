"""The program as a node runs it, on a log of its own: killed at any moment it loses and repeats nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from metrics.journal import Entry, Journal, JournalError, decode
from metrics.keeping import Place, load, save
from metrics.tally import Tally
from tests.metrics.test_lines import GOOGLE_BLOCKS
from tests.metrics.test_tally import SENT_BY

# What journalctl does with these options, on a file with one entry a line: what comes after a cursor, and on,
# until nobody reads it any more.
JOURNALCTL = """#!{python}
import json, select, sys
after = next((word.partition("=")[2] for word in sys.argv if word.startswith("--after-cursor=")), None)
seen = after is None
reader = select.poll()
reader.register(sys.stdout, 0)
line = ""
with open({log!r}) as log:
    while True:
        line += log.readline()
        if not line.endswith("\\n"):
            if reader.poll(10):
                sys.exit()
            continue
        if seen:
            sys.stdout.write(line)
            sys.stdout.flush()
        seen = seen or json.loads(line)["__CURSOR"] == after
        line = ""
"""


class Host:
    """A log, a journalctl that reads it, and the program."""

    def __init__(self, folder: Path) -> None:
        self.log, self.state, self.textfile = folder / "log", folder / "state.json", folder / "mail.prom"
        self.log.touch()
        self.lines = 0
        tool = folder / "bin/journalctl"
        tool.parent.mkdir()
        tool.write_text(JOURNALCTL.format(python=sys.executable, log=str(self.log)))
        tool.chmod(0o755)
        self.environ = {**os.environ, "PATH": f"{tool.parent}:{os.environ['PATH']}"}
        (folder / "domains").write_text("alpha.example\nbravo.example\n")
        self.argv = [sys.executable, "-c", "from metrics.cli import main; main()", "follow", "--every=0.1"]
        self.argv += [
            f"--domains={folder / 'domains'}",
            f"--state={self.state}",
            f"--textfile={self.textfile}",
        ]

    def write(self, messages: int) -> None:
        """A message is taken, and bounced by Google."""
        with self.log.open("a") as log:
            for _ in range(messages):
                queue_id = f"{self.lines:015}"
                for program, message in (
                    ("postfix/qmgr", SENT_BY.format(domain="alpha.example")),
                    ("postfix/google/smtp", GOOGLE_BLOCKS),
                    ("postfix/qmgr", "4jcMdk3GJ2zxGYm: removed"),
                ):
                    self.lines += 1
                    entry = {"__CURSOR": f"c{self.lines}", "__REALTIME_TIMESTAMP": "1795898508000000"}
                    entry |= {
                        "SYSLOG_IDENTIFIER": program,
                        "MESSAGE": message.replace("4jcMdk3GJ2zxGYm", queue_id),
                    }
                    log.write(json.dumps(entry) + "\n")

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(self.argv, env=self.environ, stderr=subprocess.PIPE, text=True)

    def published(self) -> float:
        """Bounces that Prometheus would read now."""
        text = self.textfile.read_text() if self.textfile.exists() else ""
        wanted = 'outreach_mail_deliveries_total{domain="alpha.example",operator="google",result="bounced"} '
        return next(
            (float(line.removeprefix(wanted)) for line in text.splitlines() if line.startswith(wanted)), 0.0
        )

    def wait_for(self, bounces: int) -> None:
        deadline = time.monotonic() + 60
        while self.published() != bounces:
            assert time.monotonic() < deadline, f"{self.published()} and not {bounces}"
            time.sleep(0.02)


def test_killed_at_any_moment_it_loses_no_line_repeats_none_and_never_shows_less(tmp_path: Path) -> None:
    host = Host(tmp_path)
    seen = 0.0
    for round_ in range(4):
        running = host.start()
        try:
            for _ in range(20):
                host.write(25)
                time.sleep(0.01 * (round_ + 1))
                assert host.published() >= seen
                seen = host.published()
        finally:
            running.kill()
            running.wait()  # its standard error is the log's reader's too, until the next line
    running = host.start()
    try:
        host.write(25)  # what was there may have been published already
        host.wait_for(4 * 20 * 25 + 25)
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.communicate()[1] == ""
    assert running.returncode == 0
    assert json.loads(host.state.read_text())["cursor"] == f"c{host.lines}"


def test_counters_that_cannot_be_read_begin_anew_and_say_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "state.json"
    for broken in ("", "{", "[]", '{"version": 0}', '{"version": 1, "cursor": "a", "time": 0, "tally": {}}'):
        caplog.clear()
        state.write_text(broken)
        assert load(state, Tally([])) == Place()
        assert "counting begins anew" in caplog.text
    assert load(tmp_path / "none", Tally([])) == Place()
    save(state, Tally([]), Place("here", 5.0))
    assert load(state, Tally([])) == Place("here", 5.0)


def test_a_log_that_ends_is_told_in_one_line(tmp_path: Path) -> None:
    host = Host(tmp_path)
    (tmp_path / "bin/journalctl").write_text("#!/bin/sh\nexit 3\n")
    running = host.start()
    assert running.communicate(timeout=60)[1] == "outreach-metrics: journalctl ended with exit status 3\n"
    assert running.returncode == 1


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        (
            b'{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"2000000","SYSLOG_IDENTIFIER":"postfix/qmgr","MESSAGE":[104,105,255]}',
            Entry("s=1", "postfix/qmgr", "hi\ufffd", 2.0),
        ),
        (b'{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"2000000","MESSAGE":null}', Entry("s=1", "", "", 2.0)),
        (b'{"__CURSOR":"s=1"}', None),
        (b"[]", None),
        (b"-- Reboot --", None),
        (b"\xff", None),
        (b'{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"2","MESSAGE":[300]}', None),
    ],
)
def test_an_entry_of_the_journal_is_read_in_each_of_its_forms(line: bytes, entry: Entry | None) -> None:
    assert decode(line) == entry


def test_a_line_without_end_is_not_kept_in_memory() -> None:
    with Journal("", ["head", "-c", "3000000", "/dev/zero"]) as journal:

        def read_on() -> None:
            while True:
                list(journal.read(5.0))

        with pytest.raises(JournalError, match="without end"):
            read_on()
