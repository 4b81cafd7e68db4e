"""Whatever a client sends, it is told what is wrong with it; no emulator breaks on it."""

from __future__ import annotations

import socket
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.emulators import ACCOUNT, Emulators
from tests.lab.emulators.test_contabo import Client as Contabo

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2**40)
    | st.sampled_from(["", "x", "@", "\0", "ü", "1", "a.b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "x", "type"]), inner),
    max_leaves=6,
)
GOOD: dict[str, dict[str, Any]] = {
    "hetzner POST /v1/servers": {
        "name": "n1",
        "server_type": "cx33",
        "image": "debian-13",
        "location": "fsn1",
        "labels": {},
        "ssh_keys": [],
        "firewalls": [],
        "public_net": {},
        "user_data": "",
    },
    "hetzner POST /v1/ssh_keys": {"name": "k", "public_key": "ssh-ed25519 AAAA", "labels": {}},
    "hetzner POST /v1/firewalls": {
        "name": "f",
        "labels": {},
        "apply_to": [],
        "rules": [{"direction": "in", "protocol": "tcp", "port": "22", "source_ips": ["::/0"]}],
    },
    "contabo POST /v1/compute/instances": {
        "period": 1,
        "productId": "V153",
        "region": "EU",
        "sshKeys": [],
        "displayName": "n1",
        "imageId": "afecbb85-e2fc-46f0-9684-b46b1faf00bb",
        "defaultUser": "root",
    },
    "contabo POST /v1/secrets": {"name": "k", "value": "ssh-ed25519 AAAA", "type": "ssh"},
    "contabo POST /v1/tags": {"name": "t", "color": "#000000"},
    "cloudflare POST /client/v4/zones": {"name": "tal.example", "account": {"id": ACCOUNT}, "type": "full"},
    "cloudflare POST /client/v4/zones/ZONE/dns_records": {
        "name": "n1",
        "type": "A",
        "content": "192.0.2.1",
        "ttl": 1,
        "proxied": False,
        "comment": "c",
        "tags": [],
        "priority": 1,
        "data": {},
        "settings": {},
    },
    "cloudflare POST /client/v4/zones/ZONE/dns_records/batch": {
        "deletes": [],
        "patches": [],
        "puts": [],
        "posts": [{"name": "n1", "type": "TXT", "content": '"x"'}],
    },
}


@pytest.fixture
def headers(emulators: Emulators) -> dict[str, dict[str, str]]:
    for vendor in emulators.urls:
        emulators.limit(vendor, requests=1_000_000, seconds=1)
    tokens = {
        "hetzner": emulators.env["HCLOUD_TOKEN"],
        "contabo": Contabo(emulators).token,
        "cloudflare": emulators.env["CLOUDFLARE_API_TOKEN"],
    }
    return {
        vendor: {"Authorization": f"Bearer {token}", "x-request-id": str(uuid.uuid4())}
        for vendor, token in tokens.items()
    }


@pytest.mark.parametrize("operation", GOOD)
def test_no_body_makes_a_server_error(
    emulators: Emulators, headers: dict[str, dict[str, str]], operation: str
) -> None:
    vendor, method, path = operation.split()
    session = requests.Session()
    session.headers.update(headers[vendor])
    body = {"name": "berg.example", "account": {"id": ACCOUNT}}
    zone = requests.post(
        f"{emulators.env['CLOUDFLARE_BASE_URL']}/zones", json=body, headers=headers["cloudflare"], timeout=10
    ).json()["result"]["id"]
    url = emulators.urls[vendor] + path.replace("ZONE", zone)

    @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    @given(st.dictionaries(st.sampled_from(sorted(GOOD[operation])), VALUES, max_size=3))
    def try_it(changed: dict[str, Any]) -> None:
        response = session.request(method, url, json={**GOOD[operation], **changed}, timeout=10)
        assert response.status_code < 500, response.text

    try_it()


@pytest.mark.parametrize(
    "query", ["page=x", "page=-1", "per_page=0", "size=0", "per_page=1e9", "label_selector=)("]
)
def test_no_query_makes_a_server_error(
    emulators: Emulators, headers: dict[str, dict[str, str]], query: str
) -> None:
    for vendor, path in (
        ("hetzner", "/v1/servers"),
        ("contabo", "/v1/compute/instances"),
        ("cloudflare", "/client/v4/zones"),
    ):
        response = requests.get(
            f"{emulators.urls[vendor]}{path}?{query}", headers=headers[vendor], timeout=10
        )
        assert response.status_code < 500, response.text


def test_an_unknown_path_is_told_in_each_vendors_words(
    emulators: Emulators, headers: dict[str, dict[str, str]]
) -> None:
    def answer(vendor: str, path: str) -> Any:
        response = requests.get(f"{emulators.urls[vendor]}{path}", headers=headers[vendor], timeout=10)
        assert response.status_code == 404
        return response.json()

    assert answer("hetzner", "/v1/volumes")["error"]["code"] == "not_found"
    assert answer("contabo", "/v1/vips")["statusCode"] == 404
    assert answer("cloudflare", "/client/v4/memberships")["errors"][0]["code"] == 7000


def test_a_client_that_dies_amid_its_request_is_no_error_of_the_vendors(emulators: Emulators) -> None:
    where = urlsplit(emulators.urls["telegram"])
    path = f"/bot{emulators.env['TELEGRAM_BOT_TOKEN']}/sendMessage"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{{"
    with socket.create_connection((where.hostname, where.port)) as link:
        link.sendall(head.encode())
    time.sleep(0.3)  # it has noticed by then
    (entry,) = emulators.requests("telegram", "POST", "sendMessage")
    assert (entry["status"], entry["fault"]) == (None, None)
    assert emulators.state("telegram").get("message", []) == []
