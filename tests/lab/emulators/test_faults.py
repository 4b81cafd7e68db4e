"""Every kind of fault as a real client meets it, and what the emulator kept of the work."""

from __future__ import annotations

import cloudflare
import hcloud
import pytest
import requests
from cloudflare import Cloudflare
from hcloud.actions import ActionFailedException
from hcloud.images import Image
from hcloud.locations import Location
from hcloud.server_types import ServerType

from tests.emulators import ACCOUNT, Emulators
from tests.lab.emulators.test_cloudflare_sdk import client_of
from tests.lab.emulators.test_contabo import Client as Contabo
from tests.lab.emulators.test_contabo import refused
from tests.lab.emulators.test_hetzner_sdk import order, public_key


@pytest.fixture
def client(emulators: Emulators) -> Cloudflare:
    return client_of(emulators)


@pytest.fixture
def hetzner(emulators: Emulators) -> hcloud.Client:
    return hcloud.Client(
        emulators.env["HCLOUD_TOKEN"], emulators.env["HCLOUD_ENDPOINT"], poll_interval=0.02, timeout=5
    )


def create(client: Cloudflare) -> None:
    client.zones.create(account={"id": ACCOUNT}, name="berg.example")


def zones(emulators: Emulators) -> int:
    return len(emulators.state("cloudflare").get("zone", []))


@pytest.mark.parametrize(("when", "kept"), [("before", 0), ("after", 1)])
def test_an_error_strikes_before_or_after_the_work(
    client: Cloudflare, emulators: Emulators, when: str, kept: int
) -> None:
    emulators.fault("cloudflare", kind="error", method="POST", path="/zones$", when=when, status=502)
    with pytest.raises(cloudflare.InternalServerError) as caught:
        create(client)
    assert caught.value.status_code == 502
    assert zones(emulators) == kept


def test_a_client_that_retries_after_the_work_was_done_finds_it_done(
    emulators: Emulators,
) -> None:
    emulators.fault("cloudflare", kind="error", method="POST", path="/zones$", when="after")
    with pytest.raises(cloudflare.BadRequestError, match="already exists"):
        create(client_of(emulators, retries=1))
    assert [entry["status"] for entry in emulators.requests("cloudflare", "POST")] == [503, 400]


def test_an_ambiguous_order_was_an_order(emulators: Emulators) -> None:
    contabo = Contabo(emulators)
    emulators.fault("contabo", kind="hang", method="POST", path="instances$", when="after", seconds=0.2)
    with pytest.raises(requests.ConnectionError):
        contabo.order("n1.infra.example")
    assert len(contabo.get("/v1/compute/instances?displayName=n1.infra.example")) == 1


@pytest.mark.parametrize(("when", "kept"), [("before", 0), ("after", 1)])
def test_a_hang_lasts_until_the_client_gives_up(emulators: Emulators, when: str, kept: int) -> None:
    emulators.fault("cloudflare", kind="hang", method="POST", path="/zones$", when=when)
    with pytest.raises(cloudflare.APITimeoutError):
        create(client_of(emulators).with_options(timeout=0.3))
    assert zones(emulators) == kept
    assert emulators.requests("cloudflare", "POST")[0]["status"] is None


@pytest.mark.parametrize(("when", "kept"), [("before", 0), ("after", 1)])
def test_a_reset_ends_the_connection_without_an_answer(
    client: Cloudflare, emulators: Emulators, when: str, kept: int
) -> None:
    emulators.fault("cloudflare", kind="reset", method="POST", path="/zones$", when=when)
    with pytest.raises(cloudflare.APIConnectionError) as caught:
        create(client)
    assert not isinstance(caught.value, cloudflare.APITimeoutError)
    assert zones(emulators) == kept


def test_a_reset_is_a_reset_on_the_wire(emulators: Emulators) -> None:
    emulators.fault("hetzner", kind="reset")
    with pytest.raises(requests.ConnectionError, match="Connection reset by peer"):
        requests.get(f"{emulators.urls['hetzner']}/v1/servers", timeout=5)


def test_a_malformed_answer_is_cut_inside_its_json_after_the_work(
    hetzner: hcloud.Client, emulators: Emulators
) -> None:
    emulators.fault("hetzner", kind="malformed", method="POST", path="ssh_keys")
    with pytest.raises(hcloud.APIException) as caught:
        hetzner.ssh_keys.create("ops", public_key())
    assert b'"ssh_key"' in caught.value.details["content"]
    assert len(emulators.state("hetzner")["ssh_key"]) == 1


def test_an_sdk_comes_back_after_an_ordered_429(emulators: Emulators) -> None:
    emulators.fault("cloudflare", kind="rate_limit", method="POST", path="/zones$", retry_after=1)
    create(client_of(emulators, retries=1))
    assert [entry["status"] for entry in emulators.requests("cloudflare", "POST")] == [429, 200]
    assert emulators.requests("cloudflare", "POST")[0]["fault"] == "rate_limit"


def test_hetzners_429_has_its_code(emulators: Emulators) -> None:
    emulators.fault("hetzner", kind="rate_limit")
    headers = {"Authorization": f"Bearer {emulators.env['HCLOUD_TOKEN']}"}
    response = requests.get(f"{emulators.urls['hetzner']}/v1/servers", headers=headers, timeout=5)
    assert response.status_code == 429
    assert response.json()["error"]["code"] == "rate_limit_exceeded"


def test_an_expired_token_is_refused_in_each_vendors_words(
    client: Cloudflare, hetzner: hcloud.Client, emulators: Emulators
) -> None:
    contabo = Contabo(emulators)
    for vendor in ("hetzner", "contabo", "cloudflare"):
        emulators.fault(vendor, kind="expired_token")
    with pytest.raises(hcloud.APIException, match="unauthorized"):
        hetzner.servers.get_all()
    assert refused(contabo.send("GET", "/v1/secrets"), 401) == "Unauthorized"
    with pytest.raises(cloudflare.PermissionDeniedError, match="Invalid access token"):
        list(client.zones.list())


def test_a_failed_job_is_a_failed_action(hetzner: hcloud.Client, emulators: Emulators) -> None:
    emulators.fault("hetzner", kind="job_failure", method="POST", path="/servers$")
    response = hetzner.servers.create(
        name="n1",
        server_type=ServerType(name="cx33"),
        image=Image(name="debian-13"),
        location=Location(name="fsn1"),
    )
    with pytest.raises(ActionFailedException):
        response.action.wait_until_finished()
    assert emulators.world()["hosts"] == {}


def test_a_fault_strikes_as_often_as_ordered_and_only_where_it_matches(
    client: Cloudflare, emulators: Emulators
) -> None:
    emulators.fault("cloudflare", kind="error", method="GET", path="/zones$", count=2)
    for _strike in range(2):
        with pytest.raises(cloudflare.InternalServerError):
            list(client.zones.list())
    create(client)
    assert [zone.name for zone in client.zones.list()] == ["berg.example"]
    assert emulators.control("GET", "cloudflare", "faults") == []


def test_a_fault_by_probability_strikes_the_same_requests_for_the_same_seed(
    client: Cloudflare, emulators: Emulators
) -> None:
    def struck() -> list[bool]:
        emulators.fault("cloudflare", kind="error", method="GET", probability=0.3, seed=7, count=None)
        found = []
        for _request in range(40):
            try:
                client.zones.list()
            except cloudflare.InternalServerError:
                found.append(True)
            else:
                found.append(False)
        emulators.clear_faults("cloudflare")
        return found

    first = struck()
    assert first == struck()
    assert 3 <= sum(first) <= 25


def test_a_wrong_fault_is_refused_by_name_and_pattern(emulators: Emulators) -> None:
    url = f"{emulators.urls['hetzner']}/_lab/faults"
    for fault in ({"kind": "meteor"}, {"kind": "error", "path": "("}, {"kind": "error", "colour": "red"}):
        assert requests.post(url, json=fault, timeout=5).status_code == 422


def test_cloudflare_blocks_all_calls_to_the_end_of_the_window(
    client: Cloudflare, emulators: Emulators
) -> None:
    emulators.limit("cloudflare", requests=3, seconds=300)
    for _request in range(3):
        client.zones.list()
    with pytest.raises(cloudflare.RateLimitError) as caught:
        client.zones.list()
    headers = caught.value.response.headers
    assert 1 <= int(headers["retry-after"]) <= 300
    assert headers["Ratelimit-Policy"] == '"default";q=3;w=300'
    assert headers["Ratelimit"].startswith('"default";r=0;t=')
    emulators.advance(300)
    client.zones.list()


def test_hetzner_refills_one_request_a_second(emulators: Emulators) -> None:
    assert emulators.control("GET", "hetzner", "limit") == {"limit": 3600, "seconds": 3600.0}
    emulators.limit("hetzner", requests=2, seconds=200)
    headers = {"Authorization": f"Bearer {emulators.env['HCLOUD_TOKEN']}"}

    def status() -> int:
        response = requests.get(f"{emulators.urls['hetzner']}/v1/locations", headers=headers, timeout=5)
        assert response.headers["RateLimit-Limit"] == "2"
        return response.status_code

    assert [status() for _request in range(3)] == [200, 200, 429]
    emulators.advance(100)
    assert [status() for _request in range(2)] == [200, 429]


def test_contabo_limits_too_and_says_when_to_come_back(emulators: Emulators) -> None:
    contabo = Contabo(emulators)
    emulators.limit("contabo", requests=1, seconds=10)
    contabo.get("/v1/tags")
    response = contabo.send("GET", "/v1/tags")
    refused(response, 429)
    assert int(response.headers["Retry-After"]) == 10


def test_the_log_counts_what_was_asked_and_nothing_of_the_control_endpoint(
    client: Cloudflare, emulators: Emulators
) -> None:
    create(client)
    emulators.state("cloudflare")
    log = emulators.control("GET", "cloudflare", "requests")
    assert (log["count"], log["by_method"]) == (1, {"POST": 1})
    assert emulators.env["CLOUDFLARE_API_TOKEN"] not in str(log)
    emulators.forget_requests("cloudflare")
    assert emulators.requests("cloudflare") == []


def test_a_body_that_is_no_json_object_is_refused_in_each_vendors_words(emulators: Emulators) -> None:
    contabo = Contabo(emulators)
    cases = {
        f"{emulators.env['HCLOUD_ENDPOINT']}/servers": emulators.env["HCLOUD_TOKEN"],
        f"{emulators.env['CLOUDFLARE_BASE_URL']}/zones": emulators.env["CLOUDFLARE_API_TOKEN"],
        f"{emulators.env['CONTABO_API_URL']}/v1/compute/instances": contabo.token,
    }
    for url, token in cases.items():
        for body in ("{", "[]", '"text"'):
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            assert requests.post(url, body, headers=headers, timeout=5).status_code == 400
    order(hcloud.Client(emulators.env["HCLOUD_TOKEN"], emulators.env["HCLOUD_ENDPOINT"], poll_interval=0.02))
