"""`outreach status` where it cannot look, and what people and machines read where it can."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from status import cli as hub
from status.blocklists import DEFAULTS, BlockList
from status.difference import Change, Memory, changes
from status.finding import Finding, Level, Report, Weight
from status.publish import SCRIPT
from status.render import MOST_TOLD, as_json, show, show_changes, told
from tests.api.running import bare_environ
from tests.deploys.fleets import fleet_text


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    file = tmp_path / "fleet.yaml"
    file.write_text(fleet_text(nodes=1, domains=1))
    return file


def run(fleet: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("outreach"), "status", "--fleet", fleet, *words],
        env={**bare_environ(), "XDG_STATE_HOME": str(fleet.parent), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--limit", "n9"], "--limit n9: the fleet has no such host; there are hub, n1"),
        (["--resolver", "nonsense"], "nonsense is not an address of a resolver"),
        (["--blocklist", "x.example=many"], "give ZONE or ZONE=VOTES"),
        (["--resolver", "127.9.9.9"], "DNS cannot be asked: "),
        (["--nope"], "--nope"),
        (["--tell"], "--tell tells what changed: give --diff too"),
        (["--tell", "--diff"], "TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID are not set"),
        (["--publish", "--limit", "n1"], "leave --limit away"),
    ],
)
def test_what_keeps_it_from_looking_is_one_line_and_status_1(
    fleet: Path, words: list[str], says: str
) -> None:
    done = run(fleet, *words)
    assert (done.returncode, says in done.stderr + done.stdout) == (1, True), done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_no_key_of_spamhaus_is_refused_without_being_shown(fleet: Path) -> None:
    done = run(fleet, SPAMHAUS_DQS_KEY="s3cret.zen")
    assert (done.returncode, "SPAMHAUS_DQS_KEY is no key" in done.stderr) == (1, True), done.stderr
    assert "s3cret" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("key", "asked"), [("abc123", {"zen.spamhaus.org", "dbl.spamhaus.org"}), ("", set())]
)
def test_the_orchestrators_look_asks_spamhaus_with_the_key_among_its_units_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, asked: set[str]
) -> None:
    seen: list[BlockList] = []

    def watch(survey: Any, *_: object) -> tuple[Report, list[Change]]:
        seen.extend(survey.args[2].lists)
        return REPORT, []

    (tmp_path / "spamhaus_dqs_key").write_text(key)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    for name, stub in {"_allocation": None, "_team": None, "places": ()}.items():
        monkeypatch.setattr(hub, name, lambda *_, stub=stub: stub)
    monkeypatch.setattr(hub, "watch", watch)
    assert hub.look() == 2
    assert {known.name for known in seen} == {*DEFAULTS, *asked}
    assert [known.zone for known in seen if known.name in asked] == [
        f"{key}.{name}.dq.spamhaus.net" for name in ("zen", "dbl") if asked
    ]


def test_a_broken_fleet_file_is_named_with_its_line(fleet: Path) -> None:
    fleet.write_text(fleet.read_text().replace("count: 1", "count: one"))
    done = run(fleet)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{fleet}:")


def finding(host: str, check: str, level: Level, says: str = "so", advice: str = "") -> Finding:
    return Finding(host, check, "", level, Weight.REQUIRED, says, advice)


REPORT = Report(
    "proof",
    1_800_000_000.0,
    ("hub", "n1"),
    (
        finding("hub", "reach", Level.OK),
        finding("n1", "memory", Level.WARNING, "[bold]18%[/bold] left", "Look."),
        finding("n1", "spf", Level.FAILED, "fail", "Plan."),
        finding("n1", "reach", Level.OK),
        finding("", "mx", Level.OK),
    ),
)


def shown(report: Report) -> list[str]:
    out = io.StringIO()
    show(Console(file=out, width=100), report)
    return [line.strip() for line in out.getvalue().splitlines() if line.strip()]


def test_a_fine_host_is_one_line_and_a_bad_one_shows_the_worst_first() -> None:
    lines = shown(REPORT)
    assert [line.split()[:2] for line in lines if line.startswith(("hub", "n1"))] == [
        ["hub", "ok"],
        ["n1", "failed"],
    ]
    told = " ".join(lines)
    assert told.index("spf") < told.index("memory")
    assert "[bold]18%[/bold] left" in told  # what a host says is text, not markup
    assert "(fleet)" not in told
    assert lines[-1] == ("2 hosts, 5 checks: 3 ok, 1 warning, 1 failed, 0 unknown; 1 required not fine")


def test_where_nothing_changed_nothing_is_said() -> None:
    out = io.StringIO()
    memory = Memory({found.key: (found.level, "") for found in REPORT.findings})
    show_changes(Console(file=out), changes(memory, REPORT))
    assert out.getvalue() == ""


def test_a_message_has_every_change_the_worst_first_and_counts_what_is_too_much() -> None:
    memory = Memory({("n1", "spf", ""): (Level.OK, "pass"), ("n2", "reach", ""): (Level.FAILED, "silent")})
    text = told(REPORT, changes(memory, REPORT))
    assert text.splitlines()[:3] == [
        "n1 spf: failed: fail (was ok)",
        "n1 memory: warning: [bold]18%[/bold] left (new)",
        "n2 reach: not there any more (was failed)",
    ]
    assert text.splitlines()[-1].startswith("2 hosts, 5 checks: ")
    many = Report("proof", 0.0, ("n1",), tuple(finding("n1", f"c{n}", Level.FAILED) for n in range(99)))
    lines = told(many, changes(Memory({}), many)).splitlines()
    assert len(lines) == MOST_TOLD + 2
    assert lines[MOST_TOLD] == "and 79 more: outreach status"


def test_a_published_report_is_there_whole_or_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "reports"

    def publish(text: str, *before: str) -> int:
        script = "\n".join([*before, SCRIPT])
        return subprocess.run(
            ["sh", "-c", script, "sh", folder], input=text.encode(), check=False, capture_output=True
        ).returncode

    assert publish('{"a": 1}') == 0
    file = folder / "status.json"
    assert (file.read_text(), file.stat().st_mode & 0o777) == ('{"a": 1}', 0o644)
    assert publish("x" * 100_000, "ulimit -f 1; trap '' XFSZ") != 0
    assert file.read_text() == '{"a": 1}'
    assert list(folder.iterdir()) == [file]


def test_the_json_has_what_its_page_says() -> None:
    whole = as_json(REPORT)
    assert whole["version"] == 1
    assert whole["at"] == "2027-01-15T08:00:00+00:00"
    assert whole["fine"] is False
    assert whole["hosts"][1] == {"host": "n1", "level": "failed", "answers": True}
    assert whole["summary"] == {"ok": 3, "warning": 1, "failed": 1, "unknown": 0}
    assert set(whole["findings"][0]) == {"host", "check", "about", "level", "weight", "says", "advice"}
    memory = Memory(
        {("n1", "spf", ""): (Level.OK, "pass"), ("n1", "dkim", "x.example"): (Level.FAILED, "gone bad")}
    )
    changed = as_json(REPORT, changes(memory, REPORT))
    assert "findings" not in changed
    assert [(c["check"], c["before"], c["level"]) for c in changed["changes"]] == [
        ("memory", None, "warning"),
        ("spf", "ok", "failed"),
        ("dkim", "failed", None),
    ]
    page = (Path(__file__).parents[2] / "docs/status.md").read_text()
    names = {*whole, *whole["findings"][0], *whole["hosts"][0], *changed, *changed["changes"][0]}
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


def test_the_page_has_every_check() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs/status.md").read_text()
    source = "\n".join(path.read_text() for path in (root / "status/checks").glob("*.py"))
    names = set(re.findall(r'\((?:subject|hub), "([a-z0-9 ]+)"\)|Judge\((?:host|""), "([a-z ]+)"', source))
    found = {name for pair in names for name in pair if name}
    assert len(found) > 25
    assert [name for name in sorted(found) if f"`{name}`" not in page] == []
