"""Every alert fires when it should and not before: judged by Prometheus' own promtool."""

# ruff: noqa: E501 - a table

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploys.metrics.gathering import RULES
from deploys.operations.render import render

Rule = dict[str, Any]
N1 = 'instance="n1"'
DAY = 86_400
HOUR = 60
"""Minutes."""


@dataclass(frozen=True)
class Case:
    """An alert's story.

    Attributes:
        alert: its name.
        severity: which of its levels.
        series: what is measured, once a minute: values in promtool's notation.
        quiet: minutes after which it does not fire (yet).
        fires: minutes after which it does; never, where it is None.
        labels: what it then says of whom, besides severity.
        summary: its text.
    """

    alert: str
    severity: str
    series: dict[str, str]
    quiet: int
    fires: int | None
    labels: dict[str, str] = field(default_factory=dict)
    summary: str = ""


def _deliveries(
    result: str, values: str, domain: str = "a.example", operator: str = "google", instance: str = "n1"
) -> dict[str, str]:
    labels = f'domain="{domain}",operator="{operator}",result="{result}",instance="{instance}"'
    return {f"outreach_mail_deliveries_total{{{labels}}}": values}


def _unit(name: str, state: str, kind: str) -> str:
    return f'node_systemd_unit_state{{{N1},name="{name}",state="{state}",type="{kind}"}}'


UNIT = {"instance": "n1", "name": "postfix.service", "state": "active", "type": "forking"}
DISK = {"instance": "n1", "mountpoint": "/", "subject": "disk"}
CASES = [
    Case("HostDown", "critical", {f'up{{job="host",{N1}}}': "1x5 0x30"}, 9, 13, {"instance": "n1", "job": "host"}, "n1 does not answer"),
    Case("HostDown", "critical", {f'up{{job="api",{N1}}}': "0x30"}, 30, None),
    Case("ServiceDown", "critical", {_unit("postfix.service", "active", "forking"): "1x5 0x30"}, 9, 13, UNIT, "n1: postfix.service does not run"),
    Case("ServiceDown", "critical", {_unit("outreach-backup.service", "active", "oneshot"): "0x60"}, 60, None),
    Case("ServiceDown", "critical", {_unit("chrony.service", "active", "forking"): "0x60"}, 60, None),
    Case("ServiceDown", "critical", {_unit("nftables.service", "active", "oneshot"): "1x5 0x30"}, 9, 13, {**UNIT, "name": "nftables.service", "type": "oneshot"}, "n1: nftables.service does not run"),
    Case("UnitFailed", "warning", {_unit("outreach-backup.service", "failed", "oneshot"): "0x5 1x30"}, 19, 23, {**UNIT, "name": "outreach-backup.service", "state": "failed", "type": "oneshot"}, "n1: outreach-backup.service failed"),
    Case("DiskFull", "warning", {f'node_filesystem_avail_bytes{{{N1},mountpoint="/"}}': "29x30", f'node_filesystem_size_bytes{{{N1},mountpoint="/"}}': "100x30"}, 14, 16, DISK, "n1: / has 29% left"),
    Case("DiskFull", "critical", {f'node_filesystem_avail_bytes{{{N1},mountpoint="/"}}': "16x9 14x30", f'node_filesystem_size_bytes{{{N1},mountpoint="/"}}': "100x40"}, 13, 16, DISK, "n1: / has 14% left"),
    Case("InodesFull", "critical", {f'node_filesystem_files_free{{{N1},mountpoint="/"}}': "14x30", f'node_filesystem_files{{{N1},mountpoint="/"}}': "100x30"}, 14, 16, {**DISK, "subject": "inodes"}, "n1: / has 14% of its inodes left"),
    Case("InodesFull", "critical", {f'node_filesystem_files_free{{{N1},mountpoint="/"}}': "0x30", f'node_filesystem_files{{{N1},mountpoint="/"}}': "0x30"}, 30, None),
    Case("MemoryLow", "warning", {f"node_memory_MemAvailable_bytes{{{N1}}}": "19x60", f"node_memory_MemTotal_bytes{{{N1}}}": "100x60"}, 29, 31, {"instance": "n1", "subject": "memory"}, "n1: 19% of the memory is left"),
    Case("MemoryLow", "critical", {f"node_memory_MemAvailable_bytes{{{N1}}}": "9x60", f"node_memory_MemTotal_bytes{{{N1}}}": "100x60"}, 9, 11, {"instance": "n1", "subject": "memory"}, "n1: 9% of the memory is left"),
    Case("ClockOff", "warning", {f"node_timex_offset_seconds{{{N1}}}": "-0.6x90"}, 59, 61, {"instance": "n1", "subject": "clock"}, "n1: the clock is not synchronised"),
    Case("ClockOff", "critical", {f"node_time_seconds{{{N1}}}": "40+60x30"}, 4, 6, {"instance": "n1", "subject": "clock"}, "n1: the clock is 40s off"),
    Case("CertificateEnds", "warning", {f'outreach_certificate_not_after_seconds{{{N1},door="smtp"}}': f"{20 * DAY + 100 * 60}x100"}, 59, 61, {"instance": "n1", "door": "smtp", "subject": "certificate"}, "n1: the certificate of smtp ends in 20 days"),
    Case("CertificateEnds", "critical", {f'outreach_certificate_not_after_seconds{{{N1},door="smtp"}}': f"{6 * DAY + 100 * 60}x100"}, 59, 61, {"instance": "n1", "door": "smtp", "subject": "certificate"}, "n1: the certificate of smtp ends in 6 days"),
    Case("FiguresOld", "warning", {f'node_textfile_mtime_seconds{{{N1},file="/run/outreach-metrics/mail.prom"}}': "0x60"}, 19, 23, {"instance": "n1", "file": "/run/outreach-metrics/mail.prom"}, "n1: figures are old or missing (/run/outreach-metrics/mail.prom)"),
    Case("FiguresOld", "warning", {f"node_textfile_scrape_error{{{N1}}}": "0x5 1x30"}, 19, 23, {"instance": "n1"}, "n1: figures are old or missing (text files)"),
    Case("FiguresOld", "warning", {f'node_scrape_collector_success{{{N1},collector="timex"}}': "1x5 0x30"}, 19, 23, {"instance": "n1", "collector": "timex"}, "n1: figures are old or missing (timex)"),
    Case("FiguresOld", "warning", {f'node_scrape_collector_success{{{N1},collector="pressure"}}': "0x30"}, 30, None),
    Case("BackupOld", "warning", {'outreach_backup_success_timestamp_seconds{instance="hub"}': f"{-2 * DAY}x60"}, 29, 31, {"instance": "hub", "subject": "backup"}, "hub: the last backup is 2d 0h 31m 0s old"),
    Case("BackupOld", "critical", {'outreach_backup_success_timestamp_seconds{instance="hub"}': f"{-8 * DAY}x60"}, 29, 31, {"instance": "hub", "subject": "backup"}, "hub: the last backup is 8d 0h 31m 0s old"),
    Case("RebootWanted", "warning", {f"outreach_reboot_wanted{{{N1}}}": f"1x{8 * 24 * HOUR}"}, 7 * 24 * HOUR - 1, 7 * 24 * HOUR + 1, {"instance": "n1"}, "n1: an update waits for a reboot since a week"),
    # A hundred mails an hour, 3 of them bounce.
    Case("BounceRate", "warning", _deliveries("sent", "0+97x200") | _deliveries("bounced", "0+3x200"), 14, 60, {"domain": "a.example"}, "a.example: 3% of a day's mails bounced"),
    Case("BounceRate", "warning", _deliveries("sent", "0+50x1 50x100") | _deliveries("bounced", "0+9x1 9x100"), 100, None),
    Case("BounceRate", "warning", _deliveries("sent", "0+97x200", domain="bounces") | _deliveries("bounced", "0+3x200", domain="bounces"), 100, None),
    Case("BounceRate", "warning", _deliveries("sent", "0+100x200") | _deliveries("deferred", "0+90x200"), 100, None),
    Case("BounceRatePause", "critical", _deliveries("sent", "0+94x200") | _deliveries("expired", "0+6x200"), 14, 60, {"domain": "a.example"}, "a.example: 6% of a day's mails bounced"),
    Case("BounceRateStop", "critical", _deliveries("sent", "0+91x200") | _deliveries("bounced", "0+9x200", operator="none", instance="n2"), 4, 60, {"domain": "a.example"}, "a.example: 9% of a day's mails bounced"),
    Case("DeferralRate", "warning", _deliveries("sent", "0+70x200") | _deliveries("deferred", "0+30x200"), 29, 60, {"operator": "google", "subject": "deferrals"}, "google put off 30% of the last hour's attempts"),
    Case("DeferralRate", "warning", _deliveries("deferred", "0+100x200", operator="none"), 200, None),
    Case("DeferralRate", "critical", _deliveries("sent", "0+40x200", instance="n2") | _deliveries("deferred", "0+60x200"), 29, 60, {"operator": "google", "subject": "deferrals"}, "google put off 60% of the last hour's attempts"),
    Case("OperatorBlocks", "critical", {f'outreach_mail_meanings_total{{{N1},operator="google",meaning="blocked"}}': "0x60 5x60"}, 60, 70, {"instance": "n1", "operator": "google"}, "google refused n1 itself 5 times in an hour"),
    Case("OperatorBlocks", "critical", {f'outreach_mail_meanings_total{{{N1},operator="google",meaning="mailbox_not_found"}}': "0x60 50x60"}, 90, None),
    Case("OperatorThrottles", "warning", {f'outreach_mail_meanings_total{{{N1},operator="yahoo",meaning="throttled"}}': "0x60 30x60"}, 74, 90, {"instance": "n1", "operator": "yahoo"}, "yahoo slowed n1 down 30 times in an hour"),
    Case("QueueLong", "warning", {f'outreach_mail_queue_messages{{{N1},queue="deferred"}}': "900x60", f'outreach_mail_queue_messages{{{N1},queue="active"}}': "200x60"}, 29, 31, {"instance": "n1", "subject": "queue"}, "n1: 1100 mails wait"),
    Case("QueueLong", "critical", {f'outreach_mail_queue_messages{{{N1},queue="deferred"}}': "6000x60"}, 14, 16, {"instance": "n1", "subject": "queue"}, "n1: 6000 mails wait"),
    Case("QueueOld", "warning", {f"outreach_mail_queue_oldest_seconds{{{N1}}}": "50400x60"}, 29, 31, {"instance": "n1", "subject": "age"}, "n1: the oldest mail waits since 14h 0m 0s"),
    Case("QueueOld", "critical", {f"outreach_mail_queue_oldest_seconds{{{N1}}}": "183600x60"}, 29, 31, {"instance": "n1", "subject": "age"}, "n1: the oldest mail waits since 2d 3h 0m 0s"),
    Case("QueueUnknown", "warning", {f"outreach_mail_queue_known{{{N1}}}": "0x60"}, 9, 11, {"instance": "n1"}, "n1: Postfix does not tell its queue"),
    Case("SignerRefuses", "critical", {f'outreach_mail_refused_total{{{N1},by="milter",door="submission",reply="4xx"}}': "0x5 0+2x60"}, 12, 20, {"instance": "n1"}, "n1: mail is refused because the signer does not answer"),
    Case("SignerRefuses", "critical", {f'outreach_mail_refused_total{{{N1},by="milter",door="content",reply="5xx"}}': "0+2x60"}, 60, None),
    Case("PostfixFails", "warning", {f'outreach_mail_log_troubles_total{{{N1},severity="fatal"}}': "0x5 1x60"}, 9, 13, {"instance": "n1"}, "n1: Postfix says that parts of it fail"),
    Case("PostfixFails", "warning", {f'outreach_mail_log_troubles_total{{{N1},severity="warning"}}': "0+1x60"}, 60, None),
    Case("ApiDown", "critical", {f'up{{job="api",{N1}}}': "1x5 0x30"}, 9, 13, {"instance": "n1", "job": "api"}, "n1: the REST service does not answer"),
    Case("ProgramDown", "critical", {'up{job="n8n",instance="hub"}': "1x5 0x30"}, 14, 17, {"instance": "hub", "job": "n8n"}, "hub: n8n does not answer"),
    Case("ApiErrors", "warning", {f'outreach_http_requests_total{{{N1},status="200"}}': "0+9x60", f'outreach_http_requests_total{{{N1},status="500"}}': "0+1x60"}, 15, 40, {"instance": "n1"}, "n1: the REST service fails 15 requests in 15 minutes"),
    Case("ApiErrors", "warning", {f'outreach_http_requests_total{{{N1},status="200"}}': "0+99x60", f'outreach_http_requests_total{{{N1},status="503"}}': "0+1x60"}, 60, None),
    Case("JobsStuck", "warning", {f"outreach_jobs_addresses_left{{{N1}}}": "100x5 90x200"}, 120, 170, {"instance": "n1"}, "n1: 90 addresses of jobs wait, and none got a verdict in two hours"),
    Case("JobsStuck", "warning", {f"outreach_jobs_addresses_left{{{N1}}}": "0x300"}, 200, None),
    Case("TeamNotTold", "warning", {f"outreach_outbox_oldest_seconds{{{N1}}}": "3600x60"}, 9, 11, {"instance": "n1"}, "n1: a message to the team waits since 1h 0m 0s"),
    Case("RulesFail", "warning", {'prometheus_config_last_reload_successful{instance="hub"}': "1x5 0x60"}, 14, 17, {"instance": "hub"}, "Prometheus could not take its configuration, or judge a rule"),
    Case("AlertsNotDelivered", "warning", {'alertmanager_notifications_failed_total{instance="hub"}': "0+1x60"}, 14, 20, {"instance": "hub"}, "Alertmanager could not tell the team"),
]  # fmt: skip


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rule files as the orchestrator has them."""
    folder = tmp_path_factory.mktemp("rules")
    for name in RULES:
        (folder / f"{name}.yml").write_text(render(f"prometheus/rules/{name}.yml"))
    return folder


def _groups(folder: Path) -> list[dict[str, Any]]:
    texts = [(folder / f"{name}.yml").read_text() for name in RULES]
    return [group for text in texts for group in yaml.safe_load(text)["groups"]]


def _alerts(folder: Path) -> list[Rule]:
    return [rule for group in _groups(folder) for rule in group["rules"] if "alert" in rule]


def _todo(rule: Rule, case: Case) -> dict[str, str]:
    text = rule["annotations"].get("todo")
    if text is None:
        return {}
    return {"todo": re.sub(r"{{ \$labels\.(\w+) }}", lambda found: case.labels[found[1]], text)}


def _story(case: Case, rule: Rule) -> dict[str, Any]:
    series = [{"series": name, "values": values} for name, values in case.series.items()]
    checks: list[dict[str, Any]] = [
        {"eval_time": f"{case.quiet}m", "alertname": case.alert, "exp_alerts": []}
    ]
    if case.fires is not None:
        said = {
            "exp_labels": {**case.labels, "severity": case.severity},
            "exp_annotations": {"summary": case.summary, **_todo(rule, case)},
        }
        checks.append({"eval_time": f"{case.fires}m", "alertname": case.alert, "exp_alerts": [said]})
    return {"interval": "1m", "input_series": series, "alert_rule_test": checks}


def _level(rules: list[Rule], case: Case) -> Rule:
    return next(
        rule for rule in rules if (rule["alert"], rule["labels"]["severity"]) == (case.alert, case.severity)
    )


def test_every_alert_fires_in_time_and_not_before(rules: Path) -> None:
    every = [rule for group in _groups(rules) for rule in group["rules"]]
    recorded = [rule for rule in every if "record" in rule]
    for number, case in enumerate(CASES):
        # One level at a time: in a critical story the other level fires too.
        wanted = _level(_alerts(rules), case)
        alone = {"groups": [{"name": "one", "rules": [*recorded, wanted]}]}
        (rules / f"level-{number}.yml").write_text(yaml.safe_dump(alone))
        story = {"rule_files": [f"level-{number}.yml"], "evaluation_interval": "1m"}
        name = f"story-{number}-{case.alert}-{case.severity}.yml"
        (rules / name).write_text(yaml.safe_dump({**story, "tests": [_story(case, wanted)]}))
    judged = subprocess.run(
        ["promtool", "test", "rules", *sorted(rules.glob("story-*.yml"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, f"{judged.stdout}{judged.stderr}"
    assert judged.stdout.count("SUCCESS") == len(CASES)


def test_every_level_of_every_alert_has_a_story_in_which_it_fires(rules: Path) -> None:
    told = {(case.alert, case.severity) for case in CASES if case.fires is not None}
    assert told == {(rule["alert"], rule["labels"]["severity"]) for rule in _alerts(rules)}


def test_promtool_finds_nothing_wrong_with_the_rules(rules: Path) -> None:
    files = [str(rules / f"{name}.yml") for name in RULES]
    judged = subprocess.run(
        ["promtool", "check", "rules", *files], capture_output=True, text=True, check=False
    )
    assert judged.returncode == 0, judged.stderr


def test_a_summary_says_who_it_speaks_of(rules: Path) -> None:
    for rule in _alerts(rules):
        if rule["alert"] not in {"RulesFail", "AlertsNotDelivered"}:
            assert re.search(r"\$labels\.(instance|domain|operator)", rule["annotations"]["summary"]), rule[
                "alert"
            ]
