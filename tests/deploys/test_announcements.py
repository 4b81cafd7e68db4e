"""The team hears of a deploy once when it begins and once when it ends, and a deploy never fails for that."""

from __future__ import annotations

import pytest

from tests.deploys.conftest import AREAS, Outreach


@pytest.fixture
def telling(outreach: Outreach) -> Outreach:
    """An operator with a bot, and an outbox of this test alone."""
    telegram = {name: value for name, value in outreach.emulators.env.items() if name.startswith("TELEGRAM_")}
    outreach.env |= {**telegram, "NOTIFIER_OUTBOX": str(outreach.file.with_name("outbox.sqlite3"))}
    return outreach


def heard(outreach: Outreach) -> list[str]:
    """What is in the team's chat."""
    return [str(message.get("text")) for message in outreach.emulators.state("telegram").get("message", [])]


def test_the_team_hears_that_a_deploy_began_and_ended_and_nothing_of_one_without_changes(
    telling: Outreach,
) -> None:
    telling.plan(expect=2)
    assert heard(telling) == []
    telling.apply()
    began, ended = heard(telling)
    assert began.startswith("Fleet proof: a deploy began, by ")
    assert "to add" in began
    assert ended.startswith("Fleet proof: the deploy ended, ")
    assert ended.endswith(" done.")
    telling.apply()
    assert heard(telling) == [began, ended]


def test_the_team_hears_why_a_deploy_failed(telling: Outreach) -> None:
    telling.emulators.fault("cloudflare", kind="error", method="POST", path="/zones$", count=None)
    telling.apply(expect=1)
    _, failed = heard(telling)
    assert "deploy of fleet proof failed" in failed
    assert "cloudflare" in failed
    assert "outreach apply" in failed


def test_a_deploy_does_not_fail_for_a_team_that_cannot_be_told(telling: Outreach) -> None:
    done = telling.run("apply", "--only", AREAS, "--yes", TELEGRAM_BASE_URL="http://127.0.0.1:9")
    assert done.returncode == 0
    assert "the team is not told yet (queued)" in done.stderr


def test_a_deploy_does_not_fail_for_a_bot_that_is_refused(telling: Outreach) -> None:
    done = telling.run("apply", "--only", AREAS, "--yes", TELEGRAM_BOT_TOKEN="1:not-the-bot")
    assert done.returncode == 0
    assert "the team could not be told" in done.stderr
    assert "not-the-bot" not in done.stderr + done.stdout


def test_half_a_bot_is_told_before_anything_changes(telling: Outreach) -> None:
    refused = telling.run("apply", "--only", AREAS, "--yes", TELEGRAM_CHAT_ID="")
    assert refused.returncode == 1
    assert "TELEGRAM_BOT_TOKEN is set and TELEGRAM_CHAT_ID is not" in refused.stderr
    assert not telling.emulators.state("hetzner").get("server")
