"""The services of a host, rendered: every template is used, and each role has what it needs and no more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploys.base import services as base
from deploys.base.settings import Settings
from deploys.mail.mailboxes import mailboxes
from deploys.mail.services import MailServices, births, mail_services
from deploys.operations.configuration import Observed, Service
from deploys.operations.render import render
from tests.deploys.nodes.samples import node

TEMPLATES = Path(__file__).parents[3] / "templates"


class Passwords:
    def password(self, address: str) -> str:
        return f"password-of-{address}"

    def hash(self, address: str) -> str:
        return f"$6$hash-of-{address}"


def services(host: Settings) -> Iterator[Service]:
    for make in (
        base.identity,
        base.ssh,
        base.firewall,
        base.clock,
        base.logs,
        base.upgrades,
        base.resolver,
    ):
        yield make(host)
    mail = mail_services(host, Passwords())
    yield from (each for each in (mail.users, mail.rspamd, mail.dovecot, mail.postfix) if each)


def content(host: Settings, path: str) -> str:
    return next(file.content for service in services(host) for file in service.files if file.path == path)


def test_every_template_is_rendered_by_some_service(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = set()

    def spy(template: str, **context: object) -> str:
        rendered.add(template)
        return render(template, **context)

    monkeypatch.setattr("deploys.base.services.render", spy)
    monkeypatch.setattr("deploys.mail.services.render", spy)
    assert list(services(node()))
    assert rendered == {
        str(path.relative_to(TEMPLATES)).removesuffix(".j2") for path in TEMPLATES.rglob("*.j2")
    }


def test_no_two_services_own_one_file() -> None:
    paths = [file.path for service in services(node()) for file in service.files]
    assert len(paths) == len(set(paths))


def test_an_orchestrator_has_no_mail_service_and_speaks_no_smtp() -> None:
    hub = node(role="orchestrator", domains=[])
    assert mail_services(hub, Passwords()) == MailServices()
    rules = content(hub, "/etc/nftables.conf")
    assert "tcp dport { 22 } accept" in rules
    assert "tcp dport 25 counter reject" in rules
    assert "dport 25 accept" not in rules


def test_a_node_opens_25_to_all_and_the_rest_to_operators_and_orchestrator() -> None:
    rules = content(node(), "/etc/nftables.conf")
    assert "elements = { 198.18.1.1/32, 198.18.0.1/32 }" in rules
    assert "ip saddr @operators tcp dport { 22, 465, 587, 993 } accept" in rules
    assert 'tcp dport 25 meta skuid != "postfix" counter reject' in rules


def test_only_files_with_hashes_are_secret_and_no_file_holds_a_password() -> None:
    for service in services(node()):
        for file in service.files:
            assert ("$6$" in file.content) == file.secret, file.path
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
