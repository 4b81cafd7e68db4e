"""Checks of the orchestrator and of the fleet as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from inventory.workflow import digest
from status.checks import backups, certificates, engine, fleet, n8n
from status.facts import Answer, Inside, Subject
from status.finding import Finding, Level, Weight
from tests.status.samples import (
    DAY,
    FAILED,
    FQDN,
    HUB,
    NOW,
    OK,
    UNKNOWN,
    WARNING,
    judged,
    subject,
    with_facts,
)


@pytest.mark.parametrize(
    ("hours", "level"),
    [(0, OK), (25, OK), (27, WARNING), (49, WARNING), (51, FAILED)],
)
def test_a_night_without_a_backup_is_warned_of_and_two_fail(hours: float, level: Level) -> None:
    found = {"archives": 3, "since": NOW - 90 * DAY, "newest": NOW - hours * 3600, "pulled": NOW}
    assert judged(backups.backups, replace(with_facts(backups=found), backups=True)) == [
        ("", level),
        ("", OK),
    ]
    none_yet = {"archives": 0, "since": NOW - hours * 3600}
    assert judged(backups.backups, replace(with_facts(backups=none_yet), backups=True))[0] == ("", level)


def test_a_fleet_without_backups_is_told_so_and_lacks_nothing_required() -> None:
    (finding,) = backups.backups(subject(backups=False))
    assert (finding.level, finding.weight) == (Level.WARNING, Weight.RECOMMENDED)
    assert finding.says == "none: the fleet file has no `backups`"
    assert not list(backups.backups(subject(backups=None)))


def test_backups_that_are_wanted_and_not_set_up_fail() -> None:
    assert judged(backups.backups, subject(backups=True)) == [("", FAILED)]


@pytest.mark.parametrize(
    ("pulled", "says"),
    [(NOW - 8 * DAY, "not for 8 days"), (None, "never, in 90 days"), (NOW - DAY, "24 h ago")],
)
def test_archives_that_nobody_has_elsewhere_are_warned_of(pulled: float | None, says: str) -> None:
    found = {"archives": 3, "since": NOW - 90 * DAY, "newest": NOW, "pulled": pulled}
    *_, finding = backups.backups(replace(with_facts(backups=found), backups=True))
    assert finding.says == says


def test_hosts_with_another_version_are_named() -> None:
    def with_version(host: str, version: str) -> Subject:
        return replace(with_facts(release={"version": version}), host=host)

    three = [with_version("n1", "1"), with_version("n2", "1"), with_version("n3", "2")]
    assert [finding.level for finding in fleet.releases(three[:2])] == [OK]
    (finding,) = fleet.releases(three)
    assert (finding.level, finding.says) == (WARNING, "2 hosts run 1, but n3 2")
    assert list(fleet.releases([subject()])) == []


@pytest.mark.parametrize(
    ("answer", "level"),
    [
        (Answer((f"10 {FQDN}",)), OK),
        (Answer(("10 other.example",)), FAILED),
        (Answer(), FAILED),
        (Answer(problem="SERVFAIL"), UNKNOWN),
    ],
)
def test_reports_come_to_the_first_node(answer: Answer, level: Level) -> None:
    assert [finding.level for finding in fleet.reports("infra.example", FQDN, answer)] == [level]


STREAM = {"messages": 0, "bytes": 0, "most": 100}
STREAMS = {"WORK": STREAM, "VERDICTS": STREAM}
NATS = {"jetstream": True, "streams": STREAMS, "connected": ["coordinator", "worker n1"]}
ENGINE = {"at_work": 7200.0, "nodes": {"n1": 4.0}}


def hub(**over: Any) -> Subject:
    """An orchestrator that says this of itself."""
    return replace(with_facts(**over), **HUB)


def with_stream(name: str, **over: Any) -> Subject:
    return hub(nats={**NATS, "streams": {**STREAMS, name: {**STREAM, **over}}})


def bad(found: Iterable[Finding]) -> list[tuple[str, str, Level]]:
    return [(one.check, one.about, one.level) for one in found if one.level is not OK]


def test_an_engine_at_work_is_fine() -> None:
    seen = hub(nats=NATS, engine=ENGINE)
    assert bad([*engine.streams(seen), *engine.coordinator(seen), *fleet.workers([seen, subject()])]) == []


@pytest.mark.parametrize(
    ("over", "says"),
    [
        ({"jetstream": False, "streams": {}}, "JetStream is off: no work is carried"),
        ({"streams": {"WORK": STREAM}}, "no stream VERDICTS: the coordinator makes it"),
    ],
)
def test_nats_without_its_streams_carries_no_work(over: dict[str, Any], says: str) -> None:
    (wrong,) = [one for one in engine.streams(hub(nats=NATS | over)) if one.level is FAILED]
    assert (wrong.check, wrong.weight, wrong.says) == ("nats", Weight.REQUIRED, says)


@pytest.mark.parametrize(("used", "level"), [(70, OK), (71, WARNING), (90, WARNING), (91, FAILED)])
def test_a_stream_that_fills_up_is_told_before_it_refuses_work(used: int, level: Level) -> None:
    found = {one.key: one.level for one in engine.streams(with_stream("WORK", bytes=used))}
    assert found["hub", "nats storage", "WORK"] is level
    assert found["hub", "nats storage", "VERDICTS"] is OK


@pytest.mark.parametrize(
    ("stream", "waits", "level"),
    [
        ("VERDICTS", 240, OK),
        ("VERDICTS", 360, FAILED),
        ("WORK", 6 * 3600, OK),  # a greylist takes its hours
        ("WORK", 21 * 3600, WARNING),
    ],
)
def test_what_waits_too_long_in_a_stream_is_told(stream: str, waits: float, level: Level) -> None:
    found = bad(engine.streams(with_stream(stream, messages=3, oldest=waits)))
    assert found == ([("nats lag", stream, level)] if level is not OK else [])


@pytest.mark.parametrize(
    ("redelivered", "unsettled", "level"),
    [(20, 20, OK), (21, 100, OK), (60, 100, WARNING)],
)
def test_redeliveries_are_told_once_they_are_more_than_a_restart(
    redelivered: int, unsettled: int, level: Level
) -> None:
    found = bad(engine.streams(with_stream("WORK", redelivered=redelivered, unsettled=unsettled)))
    assert found == ([("nats redeliveries", "WORK", level)] if level is not OK else [])


@pytest.mark.parametrize(
    ("over", "connected", "says"),
    [
        ({"at_work": None}, ["coordinator"], "none is at work"),
        ({}, ["worker n1"], "not connected to NATS"),
    ],
)
def test_a_coordinator_has_its_lock_and_its_connection(
    over: dict[str, Any], connected: list[str], says: str
) -> None:
    seen = hub(engine=ENGINE | over, nats=NATS | {"connected": connected})
    (finding,) = engine.coordinator(seen)
    assert (finding.level, finding.broken, says in finding.says) == (FAILED, True, True)


def test_what_stands_in_the_coordinators_way_is_one_line_each() -> None:
    troubles = {"nats": "NATS has no room left; nothing is lost", "node n1": "n1: port 25 is closed"}
    found = list(engine.coordinator(hub(engine={**ENGINE, "troubles": troubles})))
    assert [(one.check, one.about, one.says) for one in found if one.level is WARNING] == [
        ("trouble", what, line) for what, line in troubles.items()
    ]


@pytest.mark.parametrize(
    ("at_work", "nodes", "found"),
    [
        (7200.0, {"n1": 59.0}, [("n1", OK)]),
        (7200.0, {"n1": 61.0}, [("n1", FAILED)]),
        (7200.0, {}, [("n1", FAILED)]),
        (20.0, {}, [("n1", OK)]),  # it has just begun to listen
        (None, {"n1": 4000.0}, []),  # that nobody listens is said by `coordinator`
    ],
)
def test_a_node_that_the_coordinator_does_not_hear_is_named(
    at_work: float | None, nodes: dict[str, float], found: list[tuple[str, Level]]
) -> None:
    seen = hub(engine={"at_work": at_work, "nodes": nodes})
    told = list(fleet.workers([seen, subject()]))
    assert [(one.about, one.level) for one in told] == found
    assert {one.host for one in told} <= {"hub"}


def test_a_node_without_power_is_not_told_twice() -> None:
    seen = hub(engine={"at_work": 7200.0, "nodes": {"n1": 4000.0}})
    assert list(fleet.workers([seen, subject(inside=Inside(None, "no SSH"))])) == []


def test_a_process_of_n8n_that_is_not_ready_is_named() -> None:
    seen = hub(n8n={"main": "", "worker 2": "/healthz/readiness answers 503"})
    (wrong,) = [one for one in n8n.processes(seen) if one.level is not OK]
    assert (wrong.about, wrong.level, wrong.broken) == ("worker 2", FAILED, True)
    assert "n8n-worker@2" in wrong.advice


def test_credentials_that_the_key_does_not_open_fail() -> None:
    assert bad(n8n.credentials(hub(credentials={"stored": 3}))) == []
    (finding,) = n8n.credentials(hub(credentials={"stored": 3, "closed": ["Leads sheet", "Leads webhook"]}))
    assert (finding.level, finding.broken) == (FAILED, True)
    assert finding.says == "2 of 3 cannot be decrypted: Leads sheet, Leads webhook"


def workflow(**over: Any) -> dict[str, Any]:
    """A daily one of ours that ran this morning."""
    return {
        "name": "Daily digest",
        "published": True,
        "ours": True,
        "changed": 9 * DAY,
        "status": "success",
        "ran": 3600.0,
        "triggered": 3600.0,
        "period": DAY,
        **over,
    }


@pytest.mark.parametrize(
    ("over", "found"),
    [
        ({}, [OK]),
        ({"published": False}, [FAILED]),
        ({"published": False, "ours": False}, []),  # somebody's draft
        ({"status": "error"}, [WARNING]),
        ({"status": "crashed", "period": None, "triggered": None}, [WARNING]),
        ({"status": "running"}, [OK]),
        ({"triggered": 25 * 3600.0}, [OK]),
        ({"triggered": 27 * 3600.0}, [FAILED]),
        ({"triggered": 27 * 3600.0, "ran": 60.0}, [FAILED]),  # somebody called its webhook
        ({"triggered": None, "ran": None, "status": None}, [FAILED]),
        ({"triggered": None, "ran": None, "status": None, "changed": 60.0}, [OK]),
        ({"triggered": None, "period": None, "ran": None, "status": None}, [OK]),
    ],
)
def test_a_workflow_is_published_keeps_its_schedule_and_succeeds(
    over: dict[str, Any], found: list[Level]
) -> None:
    told = list(n8n.workflows(hub(workflows=[workflow(**over)])))
    assert [one.level for one in told] == found
    assert not any(one.broken for one in told)


@pytest.mark.parametrize("nodes", [[{"id": "1", "type": "n8n-nodes-base.webhook"}], "nonsense", [7], None])
def test_a_workflow_that_somebody_edited_in_n8n_is_named(nodes: Any) -> None:
    content = {"name": "Daily digest", "nodes": [{"id": "1"}], "connections": {}, "settings": {}}
    noted = digest(content)
    (as_it_was,) = n8n.workflows(hub(workflows=[workflow(content=content, noted=noted)]))
    assert as_it_was.level is OK
    (edited,) = n8n.workflows(hub(workflows=[workflow(content={**content, "nodes": nodes}, noted=noted)]))
    assert (edited.level, edited.says) == (WARNING, "was edited in n8n since it was published")


@pytest.mark.parametrize(("days", "level"), [(90, OK), (20, WARNING), (6, FAILED), (-3, FAILED)])
def test_the_orchestrators_certificates_are_warned_of_as_a_nodes_are(days: float, level: Level) -> None:
    ends = {"not_after": NOW + days * DAY + 60, "fingerprint": "ab"}
    seen = hub(nats_certificate=ends, web_certificate=ends)
    assert judged(certificates.of_the_hub, seen) == [("nats", level), ("web", level)]


def test_a_service_that_is_stopped_is_said_once_and_what_it_would_know_is_not_guessed_at() -> None:
    stopped = {"active": "inactive", "sub": "dead"}
    errors = dict.fromkeys(("nats", "nats_certificate", "engine", "workflows", "credentials"), "refused")
    checks = (engine.streams, engine.coordinator, n8n.workflows, n8n.credentials, certificates.of_the_hub)
    down = hub(units={"nats-server": stopped, "postgresql@17-main": stopped}, errors=errors)
    assert [one for check in checks for one in check(down)] == []
    running = hub(errors=errors)
    assert {one.level for check in checks for one in check(running)} == {UNKNOWN}
