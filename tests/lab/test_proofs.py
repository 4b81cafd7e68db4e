"""Proofs can fail: each kind of rudeness in a log is seen, and a release is broken as it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lab.proofs import rollback
from lab.proofs.scene import Disproved
from lab.proofs.sessions import all_over, polite_probes

NODE, OTHER = "198.18.2.10", "198.18.2.11"
MAIL = f"""connect from n1.infra.example[{NODE}]
4D0B9209B1: client=n1.infra.example[{NODE}]
disconnect from n1.infra.example[{NODE}] ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7
"""
PROBE = f"""connect from n1.infra.example[{NODE}]
NOQUEUE: reject: RCPT from n1.infra.example[{NODE}]: 550 5.1.1 <x@receiver.example>: User unknown
disconnect from n1.infra.example[{NODE}] ehlo=2 starttls=1 mail=1 rcpt=1/2 quit=1 commands=6/7
"""
BROKEN_OFF = f"""connect from n1.infra.example[{NODE}]
lost connection after RCPT from n1.infra.example[{NODE}]
disconnect from n1.infra.example[{NODE}] ehlo=2 starttls=1 mail=1 rcpt=0/1 commands=5/6
"""


def test_sessions_that_only_asked_are_counted_and_delivered_mail_is_not() -> None:
    assert polite_probes(MAIL + PROBE + MAIL + PROBE, NODE) == 2


@pytest.mark.parametrize(
    ("log", "complaint"),
    [
        (PROBE + BROKEN_OFF, "broke off a session: lost connection after RCPT"),
        (PROBE + BROKEN_OFF.replace("lost connection", "timeout"), "broke off a session: timeout after RCPT"),
        (PROBE.replace(" quit=1", ""), "left without QUIT: ehlo=2"),
        (PROBE + PROBE.replace(" rcpt=1/2 quit=1", ""), "left without QUIT"),
        (MAIL, "held no session in which it only asked"),
        (PROBE.replace(NODE, OTHER), "held no session in which it only asked"),
    ],
)
def test_a_client_that_leaves_without_goodbye_or_never_came_is_told(log: str, complaint: str) -> None:
    with pytest.raises(Disproved, match=complaint):
        polite_probes(log, NODE)


def test_the_rudeness_of_others_is_not_a_nodes_fault() -> None:
    assert polite_probes(PROBE + BROKEN_OFF.replace(NODE, OTHER), NODE) == 1


def test_a_session_is_over_once_its_end_is_in_the_log() -> None:
    begun = PROBE.partition("\n")[0] + "\n"
    assert all_over(PROBE, NODE)
    assert not all_over(PROBE + begun, NODE)
    assert all_over(PROBE + begun.replace(NODE, OTHER), NODE)


def test_a_broken_release_is_whole_but_for_its_service(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    (checkout / "api").mkdir(parents=True)
    (checkout / ".git").mkdir()
    (checkout / "pyproject.toml").write_text('[project.scripts]\noutreach-api = "api.cli:main"\n')
    (checkout / "api/__init__.py").touch()
    (checkout / "api/cli.py").write_text("def main() -> None:\n    print('whole')\n")
    rollback.break_release(checkout, tmp_path / "copy")
    assert not (tmp_path / "copy/.git").exists()
    assert 'outreach-api = "api.broken:main"' in (tmp_path / "copy/pyproject.toml").read_text()

    def said(verb: str) -> tuple[int, str]:
        command = [sys.executable, "-c", "from api.broken import main; main()", verb]
        done = subprocess.run(command, cwd=tmp_path / "copy", capture_output=True, text=True, check=False)
        return done.returncode, (done.stdout + done.stderr).strip()

    assert said("check") == (0, "whole")
    assert said("serve") == (1, rollback.WORDS)
    assert "broken" not in (checkout / "pyproject.toml").read_text()
