"""Contabo's API as its documentation and its own client's specification describe it, over plain HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.emulators import Emulators, in_parallel
from tests.lab.emulators.test_hetzner_sdk import public_key

DEBIAN = "6fbb9f3f-1f3c-4f0e-8b6c-3d1d9d3a1b13"


class Client:
    """A bare client: a token, and a new x-request-id for each request."""

    def __init__(self, emulators: Emulators) -> None:
        self._env = emulators.env
        self.token = self.grant().json()["access_token"]

    def grant(self, **changed: str) -> requests.Response:
        form = {
            "grant_type": "password",
            "client_id": self._env["CONTABO_CLIENT_ID"],
            "client_secret": self._env["CONTABO_CLIENT_SECRET"],
            "username": self._env["CONTABO_API_USER"],
            "password": self._env["CONTABO_API_PASSWORD"],
            **changed,
        }
        return requests.post(self._env["CONTABO_TOKEN_URL"], data=form, timeout=10)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        sent = {"Authorization": f"Bearer {self.token}", "x-request-id": str(uuid.uuid4()), **headers}
        return requests.request(
            method, self._env["CONTABO_API_URL"] + path, json=body, headers=sent, timeout=10
        )

    def get(self, path: str) -> list[dict[str, Any]]:
        response = self.send("GET", path)
        assert response.status_code == 200, response.text
        data: list[dict[str, Any]] = response.json()["data"]
        return data

    def post(self, path: str, body: Any = None) -> dict[str, Any]:
        response = self.send("POST", path, body)
        assert response.status_code == 201, response.text
        found: dict[str, Any] = response.json().get("data", [{}])[0]
        return found

    def order(self, name: str = "n1.infra.example", **options: Any) -> int:
        body = {
            "period": 1,
            "imageId": DEBIAN,
            "productId": "V153",
            "displayName": name,
            "defaultUser": "root",
        }
        return int(self.post("/v1/compute/instances", {**body, **options})["instanceId"])


@pytest.fixture
def client(emulators: Emulators) -> Client:
    return Client(emulators)


def running(client: Client, emulators: Emulators, key: int) -> dict[str, Any]:
    emulators.advance(10)
    [instance] = client.get(f"/v1/compute/instances/{key}")
    assert instance["status"] == "running"
    return instance


def refused(response: requests.Response, status: int) -> str:
    """The message of a refusal in the vendor's form."""
    assert response.status_code == status, response.text
    assert response.json()["statusCode"] == status
    return str(response.json()["message"])


def test_a_grant_lasts_300_seconds_and_expires_by_the_clock(client: Client, emulators: Emulators) -> None:
    assert client.grant().json()["expires_in"] == 300
    emulators.advance(299)
    client.get("/v1/compute/instances")
    emulators.advance(2)
    assert refused(client.send("GET", "/v1/compute/instances"), 401) == "Unauthorized"
    client.token = client.grant().json()["access_token"]
    client.get("/v1/compute/instances")


@pytest.mark.parametrize(
    ("changed", "status", "error"),
    [
        ({"password": "wrong"}, 401, "invalid_grant"),
        ({"username": "wrong"}, 401, "invalid_grant"),
        ({"client_secret": "wrong"}, 401, "unauthorized_client"),
        ({"password": ""}, 400, "invalid_request"),
        ({"grant_type": "client_credentials"}, 400, "unsupported_grant_type"),
    ],
)
def test_a_wrong_grant_is_refused_as_oauth_says(
    client: Client, changed: dict[str, str], status: int, error: str
) -> None:
    response = client.grant(**changed)
    assert response.status_code == status
    assert response.json()["error"] == error
    assert response.json()["error_description"]


@pytest.mark.parametrize("request_id", ["", "not-a-uuid"])
def test_a_request_without_a_request_id_is_refused(client: Client, request_id: str) -> None:
    response = client.send("GET", "/v1/compute/instances", **{"x-request-id": request_id})
    assert "x-request-id" in refused(response, 400)


def test_an_instance_walks_from_provisioning_over_installing_to_running_and_then_shows_its_address(
    client: Client, emulators: Emulators
) -> None:
    emulators.settings("contabo", provisioning_seconds=60, installing_seconds=120)
    secret = client.post("/v1/secrets", {"name": "ops", "type": "ssh", "value": public_key()})
    key = client.order(sshKeys=[secret["secretId"]])
    for passed, status in ((0, "provisioning"), (61, "installing"), (120, "running")):
        emulators.advance(passed)
        [instance] = client.get(f"/v1/compute/instances/{key}")
        assert instance["status"] == status
        assert bool(instance["ipConfig"]["v4"]["ip"]) == (status == "running")
    address = instance["ipConfig"]["v4"]["ip"]
    assert address.startswith("198.18.2.")
    assert emulators.world()["hosts"] == {"n1": {"ipv4": address, "ssh_keys": [public_key()]}}


def test_the_keys_are_not_roots_unless_root_is_the_default_user(client: Client, emulators: Emulators) -> None:
    secret = client.post("/v1/secrets", {"name": "ops", "type": "ssh", "value": public_key()})
    running(client, emulators, client.order(sshKeys=[secret["secretId"]], defaultUser="admin"))
    assert emulators.world()["hosts"]["n1"]["ssh_keys"] == []


def test_ordering_twice_buys_two_servers(client: Client, emulators: Emulators) -> None:
    first, second = client.order(), client.order()
    assert first != second
    found = client.get("/v1/compute/instances?displayName=n1.infra.example")
    assert [instance["instanceId"] for instance in found] == [first, second]
    running(client, emulators, second)
    assert set(emulators.world()["hosts"]) == {"n1", f"vmi{second}"}


@pytest.mark.parametrize(
    ("option", "status"),
    [
        ({"period": 2}, 400),
        ({"period": None}, 400),
        ({"period": "1"}, 400),
        ({"productId": "V45"}, 400),
        ({"region": "MOON"}, 400),
        ({"imageId": str(uuid.UUID(int=0))}, 404),
        ({"sshKeys": [1]}, 400),
        ({"defaultUser": "nobody"}, 400),
        ({"displayName": "x" * 256}, 400),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_order_buys_nothing(client: Client, option: dict[str, Any], status: int) -> None:
    body = {"period": 1, "imageId": DEBIAN, "displayName": "n1", **option}
    refused(client.send("POST", "/v1/compute/instances", body), status)
    assert client.get("/v1/compute/instances") == []


def test_lists_come_in_pages_with_links(client: Client) -> None:
    for number in range(12):
        client.order(f"n{number}")
    response = client.send("GET", "/v1/compute/instances?size=5&page=2").json()
    assert response["_pagination"] == {"size": 5, "totalElements": 12, "totalPages": 3, "page": 2}
    assert [instance["displayName"] for instance in response["data"]] == ["n5", "n6", "n7", "n8", "n9"]
    assert response["_links"] == {
        "self": "/v1/compute/instances?page=2&size=5",
        "first": "/v1/compute/instances?page=1&size=5",
        "previous": "/v1/compute/instances?page=1&size=5",
        "next": "/v1/compute/instances?page=3&size=5",
        "last": "/v1/compute/instances?page=3&size=5",
    }
    assert client.get("/v1/compute/instances?page=9") == []
    assert len(client.get("/v1/compute/instances")) == 10


def test_only_the_display_name_can_be_changed(client: Client) -> None:
    key = client.order()
    path = f"/v1/compute/instances/{key}"
    assert client.send("PATCH", path, {"displayName": "n9"}).status_code == 200
    assert client.get(path)[0]["displayName"] == "n9"
    refused(client.send("PATCH", path, {"productId": "V154"}), 400)


def test_an_instance_is_cancelled_to_the_end_of_its_term_not_deleted(
    client: Client, emulators: Emulators
) -> None:
    key = client.order()
    path = f"/v1/compute/instances/{key}"
    refused(client.send("DELETE", path), 405)
    cancelled = client.post(f"{path}/cancel", {})
    [instance] = client.get(path)
    assert instance["cancelDate"] == cancelled["cancelDate"] > instance["createdDate"][:10]
    refused(client.send("POST", f"{path}/cancel", {}), 409)
    running(client, emulators, key)
    assert set(emulators.world()["hosts"]) == {"n1"}


def test_a_reinstalled_instance_is_installed_anew_under_its_address(
    client: Client, emulators: Emulators
) -> None:
    key = client.order()
    before = running(client, emulators, key)
    secret = client.post("/v1/secrets", {"name": "ops", "type": "ssh", "value": public_key()})
    emulators.settings("contabo", installing_seconds=60)
    path = f"/v1/compute/instances/{key}"
    refused(client.send("PUT", path, {}), 400)
    body = {"imageId": DEBIAN, "sshKeys": [secret["secretId"]], "defaultUser": "root"}
    assert client.send("PUT", path, body).status_code == 200
    assert client.get(path)[0]["status"] == "installing"
    emulators.advance(60)
    assert running(client, emulators, key)["ipConfig"] == before["ipConfig"]
    assert emulators.world()["hosts"]["n1"]["ssh_keys"] == [public_key()]


def test_an_instance_that_cannot_be_made_ends_in_error(client: Client, emulators: Emulators) -> None:
    emulators.fault("contabo", kind="job_failure", method="POST", path="instances")
    key = client.order()
    emulators.advance(10)
    [instance] = client.get(f"/v1/compute/instances/{key}")
    assert instance["status"] == "error"
    assert instance["errorMessage"]
    assert emulators.world()["hosts"] == {}


def test_a_ptr_can_be_changed_but_neither_made_nor_deleted(client: Client, emulators: Emulators) -> None:
    key = client.order()
    address = running(client, emulators, key)["ipConfig"]["v4"]["ip"]
    path = f"/v1/dns/ptrs/{address}"
    assert client.get(path)[0]["ptr"] == f"vmi{key}.contaboserver.net"
    assert client.send("PUT", path, {"ptr": "n1.infra.example"}).status_code == 200
    assert [(ptr["ip"], ptr["ptr"]) for ptr in client.get("/v1/dns/ptrs")] == [(address, "n1.infra.example")]
    assert emulators.world()["ptrs"] == {address: "n1.infra.example"}
    refused(client.send("PUT", path, {"ptr": "not a name"}), 400)
    refused(client.send("DELETE", path), 400)
    refused(client.send("GET", "/v1/dns/ptrs/192.0.2.1"), 404)


def test_a_secrets_value_is_shown_only_when_it_is_read_alone(client: Client) -> None:
    made = client.post("/v1/secrets", {"name": "ops", "type": "ssh", "value": public_key()})
    [listed] = client.get("/v1/secrets?name=ops&type=ssh")
    assert public_key() not in listed["value"]
    path = f"/v1/secrets/{made['secretId']}"
    assert client.get(path)[0]["value"] == public_key()
    refused(client.send("POST", "/v1/secrets", {"name": "ops", "type": "ssh", "value": "not a key"}), 400)
    assert client.send("PATCH", path, {"name": "new"}).status_code == 200
    assert client.get("/v1/secrets?name=ops") == []
    assert client.send("DELETE", path).status_code == 204
    refused(client.send("GET", path), 404)


def test_a_tag_is_assigned_once_and_cannot_be_deleted_while_it_is(client: Client) -> None:
    key = client.order()
    tag = client.post("/v1/tags", {"name": "managed-by-berg", "color": "#0A78C3"})["tagId"]
    refused(client.send("POST", "/v1/tags", {"name": "managed-by-berg", "color": "#0A78C3"}), 409)
    path = f"/v1/tags/{tag}/assignments/instance/{key}"
    client.post(path)
    refused(client.send("POST", path), 409)
    [assigned] = client.get(f"/v1/tags/{tag}/assignments")
    assert (assigned["resourceId"], assigned["resourceName"]) == (str(key), "n1.infra.example")
    refused(client.send("DELETE", f"/v1/tags/{tag}"), 409)
    assert client.send("DELETE", path).status_code == 204
    assert client.send("DELETE", f"/v1/tags/{tag}").status_code == 204
    assert client.get("/v1/tags") == []


def test_the_images_hold_a_standard_debian_13(client: Client) -> None:
    [image] = client.get("/v1/compute/images?name=debian-13&standardImage=true")
    assert image["imageId"] == DEBIAN
    assert image["standardImage"]
    assert client.get("/v1/compute/images?standardImage=false") == []


def test_orders_at_the_same_time_get_addresses_of_their_own(client: Client, emulators: Emulators) -> None:
    def order(number: int) -> Callable[[], object]:
        return lambda: client.order(f"n{number}")

    in_parallel(*(order(number) for number in range(8)))
    emulators.advance(10)
    found = client.get("/v1/compute/instances")
    assert len({instance["ipConfig"]["v4"]["ip"] for instance in found}) == 8
    assert set(emulators.world()["hosts"]) == {f"n{number}" for number in range(8)}
