"""Cloudflare's own SDK in strict mode, where a wrongly typed answer is an error, over every call we use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cloudflare
import pytest
from cloudflare import Cloudflare

from tests.emulators import ACCOUNT, Emulators, in_parallel

DKIM = "v=DKIM1; k=rsa; p=" + "A" * 392


def client_of(emulators: Emulators, token: str | None = None, retries: int = 0) -> Cloudflare:
    return Cloudflare(
        api_token=token or emulators.env["CLOUDFLARE_API_TOKEN"],
        base_url=emulators.env["CLOUDFLARE_BASE_URL"],
        max_retries=retries,
        timeout=10,
        _strict_response_validation=True,
    )


@pytest.fixture
def client(emulators: Emulators) -> Cloudflare:
    return client_of(emulators)


@pytest.fixture
def zone(client: Cloudflare) -> str:
    created = client.zones.create(account={"id": ACCOUNT}, name="berg.example", type="full")
    assert created is not None
    return created.id


def records(client: Cloudflare) -> Any:
    """The SDK's records resource; its overloads by record type are beside the point here."""
    return client.dns.records


def served(emulators: Emulators, zone: str = "berg.example") -> list[tuple[str, str, int, str]]:
    records = emulators.world()["zones"][zone]
    return [(record["name"], record["type"], record["ttl"], record["rdata"]) for record in records]


def code(error: cloudflare.APIStatusError) -> int:
    body: Any = error.body
    return int(body["errors"][0]["code"])


def test_the_token_verifies(client: Cloudflare) -> None:
    verified = client.user.tokens.verify()
    assert verified is not None
    assert verified.status == "active"


def test_a_new_zone_is_pending_then_active_and_served_from_the_start(
    client: Cloudflare, emulators: Emulators
) -> None:
    emulators.settings("cloudflare", activation_seconds=60)
    zone = client.zones.create(account={"id": ACCOUNT}, name="berg.example", type="full")
    assert zone is not None
    assert zone.status == "pending"
    assert len(zone.name_servers) == 2
    assert served(emulators) == []
    emulators.advance(61)
    found = client.zones.get(zone_id=zone.id)
    assert found is not None
    assert found.status == "active"


def test_zones_are_found_by_name_and_account_and_listed_in_pages(client: Cloudflare) -> None:
    for number in range(22):
        client.zones.create(account={"id": ACCOUNT}, name=f"z{number}.example")
    assert len(list(client.zones.list())) == 22
    assert [zone.name for zone in client.zones.list(name="z7.example", account={"id": ACCOUNT})] == [
        "z7.example"
    ]
    assert len(list(client.zones.list(name="starts_with:z1"))) == 11
    assert list(client.zones.list(account={"id": "0" * 32})) == []


def test_a_deleted_zone_is_withdrawn_with_its_records(
    client: Cloudflare, emulators: Emulators, zone: str
) -> None:
    records(client).create(zone_id=zone, name="berg.example", type="A", content="192.0.2.1", ttl=300)
    client.zones.delete(zone_id=zone)
    assert emulators.world()["zones"] == {}
    assert set(emulators.state("cloudflare")) == {"world"}


def test_every_record_type_we_use_is_stored_in_the_vendors_form_and_served(
    client: Cloudflare, emulators: Emulators, zone: str
) -> None:
    write = records(client)
    write.create(zone_id=zone, name="n1", type="A", content="198.18.2.10", ttl=3600)
    write.create(
        zone_id=zone, name="berg.example.", type="MX", content="N1.Infra.Example.", priority=10, ttl=1
    )
    write.create(zone_id=zone, name="@", type="TXT", content="v=spf1 -all", ttl=3600)
    write.create(zone_id=zone, name="s1._domainkey.berg.example", type="TXT", content=f'"{DKIM}"', ttl=3600)
    write.create(zone_id=zone, name="mail", type="CNAME", content="n1.berg.example.", ttl=3600)
    caa = {"flags": 0, "tag": "issue", "value": "letsencrypt.org"}
    write.create(zone_id=zone, name="@", type="CAA", data=caa, ttl=3600)
    srv: dict[str, object] = {"priority": 0, "weight": 1, "port": 993, "target": "n1.infra.example."}
    write.create(zone_id=zone, name="_imaps._tcp", type="SRV", data=srv, ttl=3600)
    write.create(zone_id=zone, name="n1", type="AAAA", content="2001:DB8::0:1", ttl=3600)
    chunks = f'"{DKIM[:255]}" "{DKIM[255:]}"'
    assert served(emulators) == [
        ("n1.berg.example", "A", 3600, "198.18.2.10"),
        ("berg.example", "MX", 300, "10 n1.infra.example."),
        ("berg.example", "TXT", 3600, '"v=spf1 -all"'),
        ("s1._domainkey.berg.example", "TXT", 3600, chunks),
        ("mail.berg.example", "CNAME", 3600, "n1.berg.example."),
        ("berg.example", "CAA", 3600, '0 issue "letsencrypt.org"'),
        ("_imaps._tcp.berg.example", "SRV", 3600, "0 1 993 n1.infra.example."),
        ("n1.berg.example", "AAAA", 3600, "2001:db8::1"),
    ]
    [mx] = write.list(zone_id=zone, type="MX")
    assert (mx.content, mx.name, mx.ttl) == ("n1.infra.example", "berg.example", 1)


def test_update_replaces_a_record_and_edit_changes_only_what_is_named(
    client: Cloudflare, emulators: Emulators, zone: str
) -> None:
    made = records(client).create(
        zone_id=zone, name="n1", type="A", content="192.0.2.1", ttl=3600, comment="managed-by=berg"
    )
    assert made is not None
    edited = records(client).edit(made.id, zone_id=zone, type="A", name="n1", content="192.0.2.2", ttl=300)
    assert edited is not None
    assert (edited.content, edited.ttl, edited.comment) == ("192.0.2.2", 300, "managed-by=berg")
    replaced = records(client).update(
        made.id, zone_id=zone, type="A", name="n1", content="192.0.2.3", ttl=3600
    )
    assert replaced is not None
    assert (replaced.id, replaced.created_on, replaced.comment) == (made.id, made.created_on, None)
    read = records(client).get(made.id, zone_id=zone)
    assert read is not None
    assert read.content == "192.0.2.3"
    records(client).delete(made.id, zone_id=zone)
    assert served(emulators) == []


def test_a_batch_deletes_patches_puts_and_posts_in_this_order_and_publishes_once(
    client: Cloudflare, emulators: Emulators, zone: str
) -> None:
    ids = []
    for number in range(3):
        made = records(client).create(
            zone_id=zone, name=f"n{number}", type="A", content=f"192.0.2.{number}", ttl=3600
        )
        assert made is not None
        ids.append(made.id)
    done = records(client).batch(
        zone_id=zone,
        deletes=[{"id": ids[0]}],
        patches=[{"id": ids[1], "type": "A", "name": "n1", "content": "192.0.2.11", "ttl": 60}],
        puts=[{"id": ids[2], "type": "A", "name": "n2", "content": "192.0.2.22", "ttl": 3600}],
        # The name is free only because deletes come first.
        posts=[{"name": "n0", "type": "CNAME", "content": "n1.berg.example", "ttl": 3600}],
    )
    assert done is not None
    assert [len(part or []) for part in (done.deletes, done.patches, done.puts, done.posts)] == [1, 1, 1, 1]
    assert served(emulators) == [
        ("n1.berg.example", "A", 60, "192.0.2.11"),
        ("n2.berg.example", "A", 3600, "192.0.2.22"),
        ("n0.berg.example", "CNAME", 3600, "n1.berg.example."),
    ]


def test_a_batch_with_one_wrong_operation_changes_nothing(
    client: Cloudflare, emulators: Emulators, zone: str
) -> None:
    good = {"name": "n1", "type": "A", "content": "192.0.2.1", "ttl": 3600}
    with pytest.raises(cloudflare.BadRequestError) as caught:
        records(client).batch(zone_id=zone, posts=[good, {**good, "content": "nowhere"}])
    assert code(caught.value) == 9005
    assert list(records(client).list(zone_id=zone)) == []
    assert served(emulators) == []


def test_a_batch_is_limited_to_200_operations_on_the_free_plan(
    client: Cloudflare, emulators: Emulators, zone: str
) -> None:
    posts = [{"name": f"n{number}", "type": "A", "content": "192.0.2.1", "ttl": 1} for number in range(201)]
    with pytest.raises(cloudflare.BadRequestError):
        records(client).batch(zone_id=zone, posts=posts)
    records(client).batch(zone_id=zone, posts=posts[:200])
    assert len(list(records(client).list(zone_id=zone))) == 200
    emulators.settings("cloudflare", paid_plan=1)
    found = [{"id": record.id} for record in records(client).list(zone_id=zone)]
    records(client).batch(zone_id=zone, deletes=found, posts=posts[:1])
    assert len(served(emulators)) == 1


def test_records_are_filtered_by_name_type_content_and_comment(client: Cloudflare, zone: str) -> None:
    write = records(client)
    write.create(zone_id=zone, name="n1", type="A", content="192.0.2.1", ttl=1, comment="managed-by=berg")
    write.create(zone_id=zone, name="n2", type="A", content="192.0.2.2", ttl=1)
    write.create(zone_id=zone, name="n1", type="TXT", content='"hello"', ttl=1)

    def names(**filters: object) -> list[str]:
        return [f"{record.name} {record.type}" for record in write.list(zone_id=zone, **filters)]

    assert names(name={"exact": "n1.berg.example"}) == ["n1.berg.example A", "n1.berg.example TXT"]
    assert names(name={"exact": "N1.berg.example"}, type="TXT") == ["n1.berg.example TXT"]
    assert names(content={"startswith": "192.0.2.2"}) == ["n2.berg.example A"]
    assert names(comment={"contains": "managed"}) == ["n1.berg.example A"]
    assert names(comment={"absent": "true"}) == ["n2.berg.example A", "n1.berg.example TXT"]
    assert names(name={"contains": "n2"}, type="TXT", match="any") == [
        "n2.berg.example A",
        "n1.berg.example TXT",
    ]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"type": "A", "name": "n1", "content": "192.0.2.1"}, 81058),
        ({"type": "A", "name": "www", "content": "192.0.2.1"}, 81054),
        ({"type": "CNAME", "name": "n1", "content": "x.example"}, 81053),
        ({"type": "CNAME", "name": "www", "content": "x.example"}, 81053),
        ({"type": "A", "name": "n2", "content": "2001:db8::1"}, 9005),
        ({"type": "AAAA", "name": "n2", "content": "192.0.2.1"}, 9006),
        ({"type": "CNAME", "name": "n2", "content": "192.0.2.1"}, 9007),
        ({"type": "MX", "name": "n2", "content": "192.0.2.1", "priority": 1}, 9009),
        ({"type": "MX", "name": "n2", "content": "n1.berg.example"}, 1004),
        ({"type": "TXT", "name": "n2", "content": '"open'}, 1004),
        ({"type": "TXT", "name": "n2", "content": '"' + "x" * 2048 + '"'}, 1004),
        ({"type": "SPF", "name": "n2", "content": '"v=spf1 -all"'}, 1004),
        ({"type": "A", "name": "a..b", "content": "192.0.2.1"}, 1004),
        ({"type": "A", "name": "n2", "content": "192.0.2.1", "ttl": 59}, 1004),
        ({"type": "MX", "name": "n2", "content": "n1.x.example", "priority": 1, "proxied": True}, 1004),
        ({"type": "A", "name": "n2", "content": "192.0.2.1", "comment": "x" * 101}, 1004),
        ({"type": "A", "name": "n2", "content": "192.0.2.1", "tags": ["a:b"]}, 9300),
    ],
    ids=lambda value: str(value)[:70],
)
def test_a_record_that_cannot_be_is_refused_with_the_vendors_code(
    client: Cloudflare, zone: str, record: dict[str, object], expected: int
) -> None:
    records(client).create(zone_id=zone, name="n1", type="A", content="192.0.2.1", ttl=1)
    records(client).create(zone_id=zone, name="www", type="CNAME", content="n1.berg.example", ttl=1)
    with pytest.raises(cloudflare.BadRequestError) as caught:
        records(client).create(zone_id=zone, **{"ttl": 1, **record})
    assert code(caught.value) == expected


def test_a_zone_that_exists_is_refused_also_if_it_is_anothers_and_stays_hidden(
    client: Cloudflare, emulators: Emulators, zone: str
) -> None:
    emulators.foreign_zone("tal.example")
    for name in ("berg.example", "tal.example"):
        with pytest.raises(cloudflare.BadRequestError) as caught:
            client.zones.create(account={"id": ACCOUNT}, name=name)
        assert code(caught.value) == 1061
    assert [found.name for found in client.zones.list()] == ["berg.example"]
    foreign = next(row for row in emulators.state("cloudflare")["zone"] if row["name"] == "tal.example")
    with pytest.raises(cloudflare.PermissionDeniedError) as denied:
        client.zones.get(zone_id=foreign["id"])
    assert code(denied.value) == 9109
    assert "tal.example" not in emulators.world()["zones"]


def test_zones_are_made_only_in_the_tokens_account_and_only_for_registered_domains(
    client: Cloudflare,
) -> None:
    with pytest.raises(cloudflare.PermissionDeniedError) as denied:
        client.zones.create(account={"id": "0" * 32}, name="berg.example")
    assert code(denied.value) == 0
    with pytest.raises(cloudflare.BadRequestError) as bad:
        client.zones.create(account={}, name="berg.example")
    assert code(bad.value) == 1068
    with pytest.raises(cloudflare.BadRequestError) as bad:
        client.zones.create(account={"id": ACCOUNT}, name="mail.berg.example")
    assert code(bad.value) == 1099


def test_missing_things_and_wrong_tokens_have_the_vendors_codes(
    client: Cloudflare, emulators: Emulators, zone: str
) -> None:
    with pytest.raises(cloudflare.NotFoundError) as missing:
        records(client).get("0" * 32, zone_id=zone)
    assert code(missing.value) == 81044
    with pytest.raises(cloudflare.NotFoundError) as missing:
        client.zones.get(zone_id="0" * 32)
    assert code(missing.value) == 1001
    stranger = client_of(emulators, token="wrong")
    with pytest.raises(cloudflare.PermissionDeniedError) as denied:
        list(stranger.zones.list())
    assert code(denied.value) == 9109
    with pytest.raises(cloudflare.AuthenticationError) as refused:
        stranger.user.tokens.verify()
    assert code(refused.value) == 1000


def test_a_proxied_name_is_not_served_with_its_origin(
    client: Cloudflare, emulators: Emulators, zone: str
) -> None:
    records(client).create(zone_id=zone, name="www", type="A", content="192.0.2.1", ttl=1, proxied=True)
    [(_name, kind, _ttl, rdata)] = served(emulators)
    assert kind == "A"
    assert rdata != "192.0.2.1"


def test_eight_clients_writing_at_once_lose_no_record(emulators: Emulators, zone: str) -> None:
    def writer(number: int) -> Callable[[], None]:
        def write() -> None:
            own = client_of(emulators)
            for record in range(15):
                name = f"w{number}-{record}"
                records(own).create(zone_id=zone, name=name, type="A", content="192.0.2.1", ttl=1)

        return write

    in_parallel(*(writer(number) for number in range(8)))
    expected = {f"w{number}-{record}.berg.example" for number in range(8) for record in range(15)}
    assert {row["name"] for row in emulators.state("cloudflare")["record"]} == expected
    assert {name for name, *_ in served(emulators)} == expected
