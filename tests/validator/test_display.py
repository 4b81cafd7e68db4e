"""What a person sees on a terminal while a list runs, and when it is done."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.validator.servers import PORT, Mx, World

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_terminal(columns: int, *arguments: object) -> str:
    """Run the command with a terminal of this width as its standard error; all that it wrote there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    line = [sys.executable, "-c", "from validator.cli import main; main()", *map(str, arguments)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": str(columns)}
    process = subprocess.Popen(line, stderr=theirs, stdout=subprocess.DEVNULL, env=environment)
    os.close(theirs)
    seen = b""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            data = os.read(ours, 65536)
        except OSError:  # the last writer is gone
            break
        if not data:
            break
        seen += data
    os.close(ours)
    assert process.wait(10) == 0, seen
    return seen.decode()


@pytest.mark.parametrize("columns", [80, 120])
def test_progress_tells_rate_time_left_statuses_and_who_asked_for_silence(
    world: World, tmp_path: Path, columns: int
) -> None:
    world.domain("a.test", "127.0.44.1", Mx(users={f"u{i}" for i in range(0, 300, 2)}, delay=0.02))
    world.domain("hush.test", "127.0.44.2", Mx(mail="421 4.7.0 [TSS04] Messages deferred"))
    source, target, config = tmp_path / "in.txt", tmp_path / "out.csv", tmp_path / "config.toml"
    source.write_text("joe@hush.test\n" + "".join(f"u{i}@a.test\n" for i in range(300)))
    host, port = world.resolver
    config.write_text(
        f'helo = "probe.test"\nallow_private = true\nsmtp_port = {PORT}\nrate_limit = 0.0\npatience = 0.0\n'
        f'resolver = "{host}:{port}"\n[[operator]]\nname = "default"\nrate = 0\nconnects = 0\ndaily = 0\n'
    )
    seen = on_a_terminal(columns, "bulk", source, "-o", target, "--config", config)
    lines = [ESCAPE.sub("", line) for line in re.split(r"[\r\n]+", seen)]
    assert any(re.search(r"\d of 301  [\d.]+/s, \d:\d\d:\d\d left  in flight \d", line) for line in lines), (
        lines
    )
    assert any(re.search(r"MAILBOX_NOT_FOUND \d+|VALID \d+", line) for line in lines)
    assert any("in cool-down: hush.test" in line for line in lines), lines
    assert all(len(line) <= columns for line in lines)
    table = "\n".join(lines[-14:])
    for label, count in (("Valid", 150), ("Mailbox not found", 150), ("Throttled", 1)):
        assert re.search(rf"{label}\W+{count}\W", table), table
    assert "301 addresses" in table
