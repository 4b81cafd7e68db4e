"""The services of a host, rendered: every template is used, and each role has what it needs and no more."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import jinja2
import pytest

from api.config import load_config as load_api_config
from costs.budget import budget
from costs.holdings import Holdings
from costs.pricebook import PriceBook
from deploys.base import services as base
from deploys.mail.services import MailServices, births, mail_services
from deploys.n8n.services import n8n_services
from deploys.operations import render
from deploys.operations.configuration import Observed, Service
from deploys.orchestrator.credentials import Credentials
from deploys.orchestrator.services import orchestrator_services
from deploys.orchestrator.watch import Asked, watch
from deploys.pki import HostCertificate, Trust
from deploys.telegram import Telegram, telegram
from deploys.tools.services import tool_services
from deploys.watchkey import watch_key
from engine.settings import load_coordination
from inventory import allocate
from inventory.mailboxes import mailboxes
from inventory.places import REPORTS
from inventory.settings import Settings, settings
from notifier import ConfigurationError
from tests.deploys.nodes.samples import FLEET, host_data, node
from validator import load_config as load_validator_config

TEMPLATES = Path(__file__).parents[3] / "templates"


class Passwords:
    def password(self, address: str) -> str:
        return f"password-of-{address}"

    def hash(self, address: str) -> str:
        return f"$6$hash-of-{address}"


class Derived:
    def trust(self) -> Trust:
        return TRUST

    def api_key(self, fqdn: str) -> str:
        return f"key-to-{fqdn}"

    def caller_key(self, caller: str) -> str:
        return f"key-of-{caller}"

    def seed(self) -> str:
        return "SUSEED"

    def password(self, database: str) -> str:
        return f"role-secret-of-{database}"


TRUST = Trust("CA", HostCertificate("certificate", "PRIVATE KEY"))


SECRET = b"0" * 32
PINS = "hub.infra.example,198.18.1.1 ssh-ed25519 AAAA\nn9.other.example,192.0.2.9 ssh-ed25519 AAAB\n"
VERSION = "1.0+r0"
CREDENTIALS = Credentials(SECRET)
TELEGRAM = Telegram("1:token", "-100", "http://198.18.0.1:4004")


def services(host: Settings) -> Iterator[Service]:
    key = watch_key(SECRET, host.infra_domain)
    yield base.ssh(host, key.public)
    for make in (
        base.identity,
        base.accounts,
        base.firewall,
        base.clock,
        base.logs,
        base.upgrades,
        base.resolver,
    ):
        yield make(host)
    mail = mail_services(host, Passwords())
    yield from (each for each in (mail.users, mail.rspamd, mail.dovecot, mail.postfix) if each)
    own = tool_services(host, VERSION, Derived(), TELEGRAM)
    yield from (each for each in (own.tools, own.notifier, own.coordinator) if each)
    more = orchestrator_services(host, 8, CREDENTIALS, "/opt/outreach/current/bin/python", TRUST)
    n8n = n8n_services(host, VERSION, CREDENTIALS, "key-to-the-api")
    if host.orchestrator:
        yield watch(host.orchestrator.fleet, PINS, key, Asked(dqs_key="dqskey0"))
    for part in (more, n8n):
        yield from (each for field in fields(part) if (each := getattr(part, field.name)))


def content(host: Settings, path: str) -> str:
    return next(file.content for service in services(host) for file in service.files if file.path == path)


class Spy(jinja2.FileSystemLoader):
    """Notes every template that is loaded, those that others include too."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.loaded: set[str] = set()

    def get_source(self, environment: jinja2.Environment, template: str) -> Any:
        self.loaded.add(template)
        return super().get_source(environment, template)


def test_every_template_of_their_folders_is_rendered_by_some_service(monkeypatch: pytest.MonkeyPatch) -> None:
    spy = Spy(TEMPLATES)
    monkeypatch.setattr(render, "ENVIRONMENT", render.ENVIRONMENT.overlay(loader=spy, cache_size=0))
    assert list(services(node()))
    assert list(services(node(role="orchestrator", domains=[], services=["n8n"])))
    folders = {name.partition("/")[0] for name in spy.loaded}
    assert {"accounts", "caddy", "firewall", "n8n", "nats", "postfix", "tools"} <= folders
    assert spy.loaded == {
        str(path.relative_to(TEMPLATES)) for folder in folders for path in (TEMPLATES / folder).rglob("*.j2")
    }


def test_no_two_services_own_one_file() -> None:
    for host in (node(), node(role="orchestrator", domains=[], services=["n8n"])):
        paths = [file.path for service in services(host) for file in service.files]
        assert len(paths) == len(set(paths))


def test_an_orchestrator_has_no_mail_service_and_speaks_no_smtp() -> None:
    hub = node(role="orchestrator", domains=[])
    assert mail_services(hub, Passwords()) == MailServices()
    rules = content(hub, "/etc/nftables.conf")
    assert "tcp dport { 22 } accept" in rules
    assert "tcp dport 25 counter reject" in rules
    assert "8025" not in rules
    assert "9100" not in rules
    assert "dport 25 accept" not in rules


def test_a_node_opens_25_to_all_and_the_rest_to_operators_and_orchestrator() -> None:
    rules = content(node(), "/etc/nftables.conf")
    assert "elements = { 198.18.1.1/32, 198.18.0.1/32 }" in rules
    assert "ip saddr @operators tcp dport { 22, 465, 587, 993 } accept" in rules
    assert "ip saddr 198.18.1.1 tcp dport { 8025, 9100 } accept" in rules
    assert 'tcp dport 25 meta skuid != { "postfix", "outreach" } counter reject' in rules


SECRETS = (
    "$6$",
    "sha256 = ",
    "PRIVATE KEY",
    "1:token",
    "-100",
    "key-to-",
    "key-of-",
    "SUSEED",
    "dqskey0",
    "role-secret-of",
    "SCRAM-SHA-256$",
    "on #",
)


@pytest.mark.parametrize("role", ["node", "orchestrator"])
def test_files_with_secrets_are_secret_and_closed_to_others_and_no_file_holds_a_password(role: str) -> None:
    for service in services(node(role=role)):
        for file in service.files:
            secret = any(word in file.content for word in SECRETS)
            assert secret == file.secret, file.path
            assert not secret or not file.mode & 0o007, file.path
            assert "password-of" not in file.content, file.path


def test_every_key_has_its_own_file_that_only_the_signer_reads() -> None:
    keys = births(node())[1:]
    assert [key.path for key in keys] == [
        "/var/lib/rspamd/dkim/n1-alpha.example.s1.key",
        "/var/lib/rspamd/dkim/n1-bravo.example.s1.key",
    ]
    assert {key.attributes for key in keys} == {"600 _rspamd"}


@pytest.mark.parametrize(
    ("over", "own", "aliases", "domains"),
    [
        (
            {},
            {"postmaster@n1.infra.example"},
            {"postmaster@n1-alpha.example", "abuse@n1-bravo.example", "abuse@n1.infra.example"},
            {"n1-alpha.example", "n1-bravo.example", "n1.infra.example"},
        ),
        (
            {"report_domain": "infra.example"},
            {"dmarc-reports@infra.example", "tls-reports@infra.example"},
            {"postmaster@infra.example", "abuse@infra.example"},
            {"infra.example"},
        ),
    ],
    ids=["plain", "takes the fleet's reports"],
)
def test_every_domain_has_a_postmaster_and_an_abuse_address(
    over: dict[str, str], own: set[str], aliases: set[str], domains: set[str]
) -> None:
    boxes = mailboxes(node(**over))
    assert own <= set(boxes.own)
    assert aliases <= set(boxes.aliases)
    assert domains <= set(boxes.domains)
    assert not set(boxes.own) & set(boxes.aliases)
    assert len(set(boxes.own)) == len(boxes.own)


def test_an_account_named_abuse_keeps_its_own_mail() -> None:
    domain = {
        "name": "a.example",
        "selector": "s1",
        "dkim_bits": 2048,
        "accounts": [{"address": "abuse@a.example", "display_name": "Abuse"}],
    }
    boxes = mailboxes(node(domains=[domain]))
    assert "abuse@a.example" in boxes.own
    assert "abuse@a.example" not in boxes.aliases
    assert "postmaster@a.example" in boxes.aliases


@pytest.mark.parametrize(
    ("peer", "refused"),
    [("198.18.0.1", False), ("198.18.1.1", False), ("203.0.113.7", True), (None, False)],
)
def test_the_firewall_is_not_closed_on_whoever_closes_it(peer: str | None, refused: bool) -> None:
    said = base.locks_out(node(), Observed({}, peer=peer))
    assert bool(said) == refused
    assert not said or "203.0.113.7" in said


@pytest.mark.parametrize(
    ("login", "refused"),
    [
        ("AAAAC3NzaC1lZDI1NTE5AAAAIOmyN+lxHJt1ywPbkXV0CoA7smd7fEEfCoE1ORd0r+kb", False),
        ("AAAAelse", True),
        (None, False),
    ],
)
def test_the_key_that_installs_keys_must_be_among_them(login: str | None, refused: bool) -> None:
    assert bool(base.locks_up(node(), Observed({}, login=login))) == refused


def test_a_node_knows_its_callers_key_by_its_hash_alone() -> None:
    keys = tomllib.loads(content(node(), "/etc/outreach/api-keys.toml"))["keys"]
    digest = hashlib.sha256(b"key-to-n1.infra.example").hexdigest()
    assert keys == [
        {"name": "orchestrator", "sha256": digest, "scopes": ["validate", "jobs", "notify", "metrics"]}
    ]


def test_the_orchestrator_knows_every_node_and_its_key() -> None:
    hub = node(role="orchestrator", domains=[])
    known = json.loads(content(hub, "/etc/outreach/nodes.json"))
    assert known == {
        "ca": "/etc/outreach/ca.crt",
        "nodes": [
            {"name": name, "url": f"https://{name}.infra.example:8025", "key": f"key-to-{name}.infra.example"}
            for name in ("n1", "n2")
        ],
    }


@pytest.mark.parametrize(
    ("domains", "sender"),
    [(None, "postmaster@n1-alpha.example"), ([], "postmaster@n1.infra.example")],
)
def test_a_node_asks_in_the_name_of_a_mailbox_that_is_there(domains: list[Any] | None, sender: str) -> None:
    host = node() if domains is None else node(domains=domains)
    settings = tomllib.loads(content(host, "/etc/outreach/validator.toml"))
    assert settings == {"helo": "n1.infra.example", "sender": sender, "source_ips": ["198.18.2.1"]}
    assert sender in mailboxes(host).own + mailboxes(host).aliases


def test_the_service_and_the_notifier_take_what_the_deploy_writes(tmp_path: Path) -> None:
    for name in ("api.toml", "api-keys.toml", "validator.toml"):
        (tmp_path / name).write_text(content(node(), f"/etc/outreach/{name}"))
    config = load_api_config(tmp_path / "api.toml")
    assert (config.listen, str(config.state)) == ("198.18.2.1:8025", "/var/lib/outreach-api")
    assert config.worker
    assert (config.worker.node, config.worker.nats) == ("n1", "tls://198.18.1.1:4222")
    assert load_validator_config(tmp_path / "validator.toml").helo == "n1.infra.example"
    hub = node(role="orchestrator", domains=[])
    for name in ("api.toml", "engine.toml"):
        (tmp_path / name).write_text(
            content(hub, f"/etc/outreach/{name}").replace("/etc/outreach/", f"{tmp_path}/")
        )
    for name in ("nats.seed", "ca.crt"):
        (tmp_path / name).write_text("")
    at_hub = load_api_config(tmp_path / "api.toml")
    assert at_hub.fleet
    assert at_hub.fleet.database == load_coordination(tmp_path / "engine.toml").database
    assert at_hub.listen == "127.0.0.1:8025"
    assert str(at_hub.reports) == REPORTS


def test_the_orchestrator_has_the_months_cost_as_outreach_costs_tells_it() -> None:
    hub = node(role="orchestrator", domains=[])
    told = json.loads(content(hub, "/etc/outreach/costs.json"))
    own = budget(Holdings.of(allocate(FLEET)), PriceBook.load(FLEET.prices))
    assert own.total_monthly is not None
    assert Decimal(told["total_monthly"]) == own.total_monthly.amount
    assert (told["currency"], told["fleet"]) == (own.currency, FLEET.name)
    assert not any(service.name == "reports" for service in services(node()))


def test_the_orchestrators_service_has_a_key_for_each_of_its_callers() -> None:
    hub = node(role="orchestrator", domains=[])
    keys = tomllib.loads(content(hub, "/etc/outreach/api-keys.toml"))["keys"]
    assert {key["name"]: key["sha256"] for key in keys} == {
        name: hashlib.sha256(f"key-of-{name}".encode()).hexdigest()
        for name in ("n8n", "operator", "prometheus")
    }
    assert {key["name"] for key in keys if "reports" in key["scopes"]} == {"n8n", "operator"}
    assert next(key["scopes"] for key in keys if key["name"] == "prometheus") == ["metrics"]


def test_nats_knows_each_host_by_its_public_key_and_gives_a_node_its_own_subjects_alone() -> None:
    hub = settings(host_data("hub", "198.18.1.1", role="orchestrator"))
    accounts = content(hub, "/etc/nats/accounts.conf")
    for name in ("n1", "n2"):
        (line,) = [line for line in accounts.splitlines() if CREDENTIALS.identity(name).public in line]
        assert f"outreach.verdict.{name}" in line
        assert "outreach.verdict.n2" not in line or name == "n2"
    main = content(hub, "/etc/nats-server.conf")
    assert '"198.18.1.1:4222"' in main
    assert 'http: "127.0.0.1:8222"' in main
    assert "cert_file" in main


def test_without_a_bot_the_notifiers_unit_has_nothing_to_start_for() -> None:
    own = tool_services(node(), VERSION, Derived(), Telegram())
    assert own.notifier
    assert "ConditionFileNotEmpty=/etc/outreach/telegram_bot_token" in own.notifier.files[0].content
    assert [file.content for file in own.tools.files if "telegram" in file.path] == ["", ""]


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, Telegram()),
        ({"TELEGRAM_BASE_URL": "http://a"}, Telegram()),
        ({"TELEGRAM_BOT_TOKEN": "1:a", "TELEGRAM_CHAT_ID": "-1"}, Telegram("1:a", "-1")),
        (
            {"TELEGRAM_BOT_TOKEN": " 1:a\n", "TELEGRAM_CHAT_ID": "@team", "TELEGRAM_BASE_URL": "http://a"},
            Telegram("1:a", "@team", "http://a"),
        ),
    ],
)
def test_the_bot_is_what_the_operators_environment_says(environ: dict[str, str], found: Telegram) -> None:
    assert telegram(environ) == found


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"TELEGRAM_BOT_TOKEN": "1:a"}, "TELEGRAM_BOT_TOKEN is set and TELEGRAM_CHAT_ID is not"),
        ({"TELEGRAM_CHAT_ID": "-1"}, "TELEGRAM_CHAT_ID is set and TELEGRAM_BOT_TOKEN is not"),
        ({"TELEGRAM_BOT_TOKEN": "s3cret", "TELEGRAM_CHAT_ID": "-1"}, "the bot token has not the form"),
        ({"TELEGRAM_BOT_TOKEN": "1:a", "TELEGRAM_CHAT_ID": "us all"}, "neither a number nor an @name"),
        (
            {"TELEGRAM_BOT_TOKEN": "1:a", "TELEGRAM_CHAT_ID": "-1", "TELEGRAM_BASE_URL": "http://a b"},
            "which is no URL",
        ),
    ],
)
def test_half_a_bot_is_refused_in_one_line_without_its_token(environ: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        telegram(environ)
    assert said in str(raised.value)
    assert "s3cret" not in str(raised.value)
    assert "\n" not in str(raised.value)
