"""Hetzner's own SDK over every call the project uses."""

from __future__ import annotations

import base64
from collections.abc import Callable
from decimal import Decimal

import hcloud
import pytest
from hcloud.firewalls import FirewallResource, FirewallResourceLabelSelector, FirewallRule
from hcloud.images import Image
from hcloud.locations import Location
from hcloud.server_types import ServerType
from hcloud.servers import BoundServer
from hcloud.ssh_keys import SSHKey

from tests.emulators import Emulators

SSH = FirewallRule(direction="in", protocol="tcp", port="22", source_ips=["192.0.2.0/24"], description="ops")


def public_key(comment: str = "ops") -> str:
    blob = b"".join(len(part).to_bytes(4) + part for part in (b"ssh-ed25519", comment.encode().ljust(32)))
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} {comment}"


@pytest.fixture
def client(emulators: Emulators) -> hcloud.Client:
    return hcloud.Client(
        emulators.env["HCLOUD_TOKEN"], emulators.env["HCLOUD_ENDPOINT"], poll_interval=0.02, timeout=5
    )


def order(client: hcloud.Client, name: str = "n1.infra.example", **options: object) -> BoundServer:
    response = client.servers.create(
        name=name,
        server_type=ServerType(name="cx33"),
        image=Image(name="debian-13"),
        location=Location(name="fsn1"),
        **options,  # type: ignore[arg-type]  # each test gives options of their own types
    )
    for action in (response.action, *response.next_actions):
        action.wait_until_finished()
    return response.server


def test_an_ordered_server_boots_a_host_with_its_keys_and_runs_when_its_actions_ended(
    client: hcloud.Client, emulators: Emulators
) -> None:
    key = client.ssh_keys.create("ops", public_key())
    response = client.servers.create(
        name="n1.infra.example",
        server_type=ServerType(name="cx33"),
        image=Image(name="debian-13"),
        location=Location(name="nbg1"),
        ssh_keys=[key],
        labels={"managed-by": "berg"},
    )
    assert response.server.status == "initializing"
    assert response.server.locked
    assert response.action.command == "create_server"
    assert [action.command for action in response.next_actions] == ["start_server"]
    assert response.root_password is None
    for action in (response.action, *response.next_actions):
        action.wait_until_finished()
    server = client.servers.get_by_name("n1.infra.example")
    assert server is not None
    assert server.status == "running"
    assert not server.locked
    assert server.location is not None
    assert server.location.name == "nbg1"
    assert server.public_net is not None
    assert server.public_net.ipv4 is not None
    address = server.public_net.ipv4.ip
    assert address.startswith("198.18.1.")
    assert emulators.world()["hosts"] == {"n1": {"ipv4": address, "ssh_keys": [public_key()]}}


def test_no_answer_mentions_a_datacenter_and_the_datacenters_are_gone(client: hcloud.Client) -> None:
    order(client)
    assert "datacenter" not in str(client.request("GET", "/servers"))
    assert "datacenter" not in str(client.request("GET", "/primary_ips"))
    with pytest.raises(hcloud.APIException) as caught:
        client.request("GET", "/datacenters")
    assert caught.value.code == "deprecated_api_endpoint"


def test_a_deleted_server_takes_its_host_and_ptr_with_it(client: hcloud.Client, emulators: Emulators) -> None:
    server = order(client)
    server.delete().wait_until_finished()
    assert client.servers.get_all() == []
    assert emulators.world() == {"hosts": {}, "ptrs": {}, "zones": {}}


def test_a_server_renamed_before_its_deletion_leaves_no_host(
    client: hcloud.Client, emulators: Emulators
) -> None:
    server = order(client)
    server.update(name="n2.infra.example", labels={"a": "b"}).delete().wait_until_finished()
    assert emulators.world()["hosts"] == {}


def test_ptr_is_the_vendors_until_set_and_again_after_a_reset(
    client: hcloud.Client, emulators: Emulators
) -> None:
    server = order(client)
    assert server.public_net is not None
    assert server.public_net.ipv4 is not None
    address = server.public_net.ipv4.ip
    default = f"static.{'.'.join(reversed(address.split('.')))}.clients.your-server.de"
    assert server.public_net.ipv4.dns_ptr == default
    server.change_dns_ptr(address, "n1.infra.example").wait_until_finished()
    assert emulators.world()["ptrs"] == {address: "n1.infra.example"}
    [primary] = client.primary_ips.get_all()
    assert primary.dns_ptr == [{"ip": address, "dns_ptr": "n1.infra.example"}]
    server.change_dns_ptr(address, None).wait_until_finished()
    assert emulators.world()["ptrs"] == {address: default}


def test_lists_filter_by_name_label_and_status_and_come_in_pages(client: hcloud.Client) -> None:
    for number in range(27):
        order(client, f"n{number}", labels={"fleet": "berg" if number % 2 else "tal"})
    page = client.servers.get_list()
    assert len(page.servers) == 25
    assert page.meta.pagination is not None
    assert (page.meta.pagination.next_page, page.meta.pagination.total_entries) == (2, 27)
    assert len(client.servers.get_all()) == 27
    assert {server.name for server in client.servers.get_all(label_selector="fleet=berg")} == {
        f"n{number}" for number in range(1, 27, 2)
    }
    assert [server.name for server in client.servers.get_all(name="n3")] == ["n3"]
    assert client.servers.get_all(status=["off"]) == []
    with pytest.raises(hcloud.APIException) as caught:
        client.servers.get_list(per_page=51)
    assert caught.value.code == "invalid_input"


def test_ssh_keys_are_unique_by_name_and_by_fingerprint(client: hcloud.Client) -> None:
    key = client.ssh_keys.create("ops", public_key(), labels={"a": "b"})
    assert client.ssh_keys.get_by_fingerprint(str(key.fingerprint)) is not None
    for name, text, field in (("ops", public_key("other"), "name"), ("other", public_key(), "public_key")):
        with pytest.raises(hcloud.APIException) as caught:
            client.ssh_keys.create(name, text)
        assert caught.value.code == "uniqueness_error"
        assert caught.value.details == {"fields": [{"name": field}]}
    key.update(name="new").delete()
    assert client.ssh_keys.get_all() == []


def test_a_firewall_in_use_cannot_be_deleted(client: hcloud.Client) -> None:
    server = order(client, labels={"fleet": "berg"})
    created = client.firewalls.create("nodes", rules=[SSH])
    firewall = created.firewall
    for action in created.actions or []:
        action.wait_until_finished()
    resource = FirewallResource(
        type=FirewallResource.TYPE_LABEL_SELECTOR,
        label_selector=FirewallResourceLabelSelector(selector="fleet=berg"),
    )
    for action in firewall.apply_to_resources([resource]):
        action.wait_until_finished()
    server.reload()
    assert server.public_net is not None
    assert [entry.firewall.id for entry in server.public_net.firewalls or []] == [firewall.id]
    with pytest.raises(hcloud.APIException) as caught:
        firewall.delete()
    assert caught.value.code == "resource_in_use"
    firewall.remove_from_resources([resource])
    firewall.delete()
    assert client.firewalls.get_all() == []


def test_firewall_rules_are_replaced_whole_and_kept_as_given(client: hcloud.Client) -> None:
    firewall = client.firewalls.create("nodes", rules=[SSH]).firewall
    mail = FirewallRule(direction="in", protocol="tcp", port="25", source_ips=["0.0.0.0/0", "::/0"])
    for action in firewall.set_rules([SSH, mail]):
        action.wait_until_finished()
    found = client.firewalls.get_by_name("nodes")
    assert found is not None
    assert [(rule.port, rule.source_ips, rule.description) for rule in found.rules or []] == [
        ("22", ["192.0.2.0/24"], "ops"),
        ("25", ["0.0.0.0/0", "::/0"], None),
    ]


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        (FirewallRule("in", "tcp", ["192.0.2.1/24"], "22"), "rules[0].source_ips"),
        (FirewallRule("in", "tcp", ["192.0.2.1"], "22"), "rules[0].source_ips"),
        (FirewallRule("in", "tcp", ["192.0.2.0/24"], "90-80"), "rules[0].port"),
        (FirewallRule("in", "tcp", ["192.0.2.0/24"]), "rules[0].port"),
        (FirewallRule("in", "icmp", ["192.0.2.0/24"], "22"), "rules[0].port"),
        (FirewallRule("in", "tcp", [], "22"), "rules[0].source_ips"),
        (FirewallRule("in", "sctp", ["192.0.2.0/24"], "22"), "rules[0].protocol"),
    ],
)
def test_a_wrong_firewall_rule_is_refused_by_field(
    client: hcloud.Client, rule: FirewallRule, field: str
) -> None:
    with pytest.raises(hcloud.APIException) as caught:
        client.firewalls.create("nodes", rules=[rule])
    assert caught.value.code == "invalid_input"
    assert caught.value.details["fields"][0]["name"] == field


def test_the_catalogue_carries_availability_and_prices(client: hcloud.Client) -> None:
    kind = client.server_types.get_by_name("cx33")
    assert kind is not None
    assert kind.locations is not None
    assert all(place.available for place in kind.locations)
    assert {place.recommended for place in kind.locations} == {True, False}
    price = next(price for price in kind.prices or [] if price["location"] == "fsn1")
    assert Decimal(price["price_monthly"]["net"]) == Decimal("8.49")
    pricing = client.request("GET", "/pricing")["pricing"]
    assert pricing["currency"] == "EUR"
    [ipv4] = [entry for entry in pricing["primary_ips"] if entry["type"] == "ipv4"]
    assert {Decimal(entry["price_monthly"]["net"]) for entry in ipv4["prices"]} == {Decimal("0.50")}
    assert client.images.get_by_name_and_architecture("debian-13", "x86") is not None
    assert {place.name for place in client.locations.get_all()} == {"fsn1", "nbg1", "hel1"}


def test_a_server_in_creation_is_locked(client: hcloud.Client, emulators: Emulators) -> None:
    emulators.settings("hetzner", create_seconds=600)
    response = client.servers.create(
        name="n1",
        server_type=ServerType(name="cx33"),
        image=Image(name="debian-13"),
        location=Location(name="fsn1"),
    )
    with pytest.raises(hcloud.APIException) as caught:
        response.server.delete()
    assert caught.value.code == "locked"
    emulators.advance(601)
    response.action.wait_until_finished()
    response.server.delete().wait_until_finished()


def test_quota_name_type_and_token_errors_have_the_vendors_codes(
    client: hcloud.Client, emulators: Emulators
) -> None:
    order(client)
    emulators.settings("hetzner", server_limit=1)
    other = hcloud.Client("wrong", emulators.env["HCLOUD_ENDPOINT"])
    cases: dict[str, Callable[[], object]] = {
        "uniqueness_error": lambda: order(client),
        "resource_limit_exceeded": lambda: order(client, "n2"),
        "invalid_input": lambda: order(client, "n_2"),
        "not_found": lambda: client.servers.get_by_id(1),
        "unauthorized": other.servers.get_all,
        "method_not_allowed": lambda: client.request("PATCH", "/servers"),
    }
    for code, call in cases.items():
        with pytest.raises(hcloud.APIException) as caught:
            call()
        assert caught.value.code == code
        assert caught.value.correlation_id


def test_unknown_fields_of_an_order_are_refused(client: hcloud.Client) -> None:
    body = {"name": "n1", "server_type": "cx33", "image": "debian-13", "datacenter": "fsn1-dc14"}
    with pytest.raises(hcloud.APIException) as caught:
        client.request("POST", "/servers", json=body)
    assert caught.value.details == {"fields": [{"name": "datacenter", "messages": ["unknown field"]}]}


def test_an_order_with_an_unknown_key_orders_nothing(client: hcloud.Client) -> None:
    with pytest.raises(hcloud.APIException) as caught:
        order(client, ssh_keys=[SSHKey(name="nobody")])
    assert caught.value.code == "invalid_input"
    assert client.servers.get_all() == []
