"""Who is asked, with what, and who is told; what Prometheus' own tools say of the files."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploys.metrics.gathering import alertmanager, api_jobs, host_jobs, own_jobs
from deploys.metrics.jobs import scrape_configs
from deploys.metrics.services import MetricServices, metric_services, packages
from deploys.operations.configuration import File, Service
from deploys.telegram import Telegram
from inventory.settings import Settings, settings
from notifier import ConfigurationError
from tests.deploys.nodes.samples import host_data, node
from tests.deploys.nodes.test_services import TELEGRAM, Derived

SECRETS = ("PRIVATE KEY", "1:token", "-100", "key-to-", "key-of-")


def orchestrator(**over: Any) -> Settings:
    return settings(host_data("hub", "198.18.1.1", role="orchestrator", **over))


HUB = orchestrator()


def services(wanted: MetricServices) -> list[Service]:
    every = (wanted.exporter, wanted.certificates, wanted.counters, wanted.alertmanager, wanted.prometheus)
    return [service for service in every if service]


def files(host: Settings = HUB, telegram: Telegram = TELEGRAM) -> dict[str, File]:
    wanted = metric_services(host, 80, Derived(), telegram)
    return {file.path: file for service in services(wanted) for file in service.files}


def test_a_node_is_measured_and_gathers_nothing() -> None:
    wanted = metric_services(node(), 0, Derived(), TELEGRAM)
    assert wanted.counters
    assert wanted.prometheus is None
    assert wanted.alertmanager is None
    assert packages(node()) == ("prometheus-node-exporter",)
    assert files(node())["/etc/outreach/metrics-domains"].content.split() == [
        "infra.example",
        "n1-alpha.example",
        "n1-bravo.example",
        "n1.infra.example",
    ]


def test_nobody_but_its_owner_reads_a_secret() -> None:
    for host in (HUB, node()):
        for path, file in files(host).items():
            if any(secret in file.content for secret in SECRETS):
                assert file.secret, path
                assert (file.mode, file.group) == (0o640, "prometheus"), path


def test_an_exporter_answers_one_address_over_tls_to_the_orchestrator_alone() -> None:
    found = files(node())
    assert "--web.listen-address=198.18.2.1:9100 " in found["/etc/default/prometheus-node-exporter"].content
    web = yaml.safe_load(found["/etc/prometheus/exporter/web.yml"].content)["tls_server_config"]
    assert (web["client_auth_type"], web["client_allowed_sans"]) == (
        "RequireAndVerifyClientCert",
        ["198.18.1.1"],
    )


def test_what_gathers_listens_on_loopback_alone() -> None:
    found = files()
    assert "--web.listen-address=127.0.0.1:9090 " in found["/etc/default/prometheus"].content
    assert "--storage.tsdb.retention.size=8GB " in found["/etc/default/prometheus"].content
    assert "--web.listen-address=127.0.0.1:9093 " in found["/etc/default/prometheus-alertmanager"].content


def test_every_host_and_every_rest_service_is_asked_and_those_without_an_address_are_not() -> None:
    hub = orchestrator(nodes={"n1": "198.18.2.1", "n2": None, "n3": "198.18.2.3"}, services=["n8n"])
    (hosts,) = host_jobs(hub)
    assert [target.host for target in hosts.targets] == ["hub", "n1", "n3"]
    assert {job.name: job.bearer for job in api_jobs(hub, Derived())} == {
        "api-hub": "key-of-prometheus",
        "api-n1": "key-to-n1.infra.example",
        "api-n3": "key-to-n3.infra.example",
    }
    assert [job.name for job in own_jobs(hub)] == ["prometheus", "alertmanager", "n8n"]
    assert [job.name for job in own_jobs(HUB)] == ["prometheus", "alertmanager"]


def test_promtool_takes_the_jobs_of_700_nodes(tmp_path: Path) -> None:
    nodes = {f"n{number}": f"10.0.{number // 250}.{number % 250 + 1}" for number in range(700)}
    hub = orchestrator(nodes=nodes)
    for name in ("ca.crt", "host.crt", "host.key"):
        (tmp_path / name).touch()
    text = scrape_configs([*host_jobs(hub), *api_jobs(hub, Derived()), *own_jobs(hub)])
    # A file of scrape_config_files is a whole configuration too; only its certificates lie elsewhere here.
    config = tmp_path / "prometheus.yml"
    config.write_text(text.replace("/etc/prometheus/scraper", str(tmp_path)))
    judged = subprocess.run(
        ["promtool", "check", "config", config], capture_output=True, text=True, check=False
    )
    assert judged.returncode == 0, judged.stderr
    assert text.count("job_name") == 1 + 701 + 2


def test_the_team_is_told_by_its_bot_and_nobody_without_one() -> None:
    told = yaml.safe_load(files()["/etc/prometheus/alertmanager.yml"].content)
    (receiver,) = told["receivers"]
    (bot,) = receiver["telegram_configs"]
    assert (bot["chat_id"], bot["bot_token_file"]) == (-100, "/etc/prometheus/telegram_bot_token")
    assert told["global"]["telegram_api_url"] == TELEGRAM.base_url
    untold = yaml.safe_load(files(telegram=Telegram())["/etc/prometheus/alertmanager.yml"].content)
    assert untold["receivers"] == [{"name": "team"}]


def test_a_chat_that_alertmanager_cannot_reach_is_said_in_one_line() -> None:
    with pytest.raises(ConfigurationError, match="Alertmanager takes a chat's number only"):
        alertmanager(Telegram("1:token", "@team"))


def test_a_notifier_without_a_bot_is_not_missed() -> None:
    path = "/etc/default/prometheus-node-exporter"
    assert "outreach-notifier" not in files(node())[path].content
    assert "unit-exclude=^outreach-notifier" in files(node(), Telegram())[path].content


def test_no_two_services_own_one_file() -> None:
    for host in (HUB, node()):
        wanted = metric_services(host, 80, Derived(), TELEGRAM)
        paths = [file.path for service in services(wanted) for file in service.files]
        assert len(paths) == len(set(paths))
