"""The lab's certificate authority gives certificates to whoever proves control, and hosts trust its door."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Lab
from lab.addresses import ACME_DIRECTORY
from lab.world import ResourceRecord
from tests.lab.conftest import settled, wait_for

pytestmark = pytest.mark.lab

WEB = "198.18.1.140"


@pytest.fixture(scope="module")
def web(lab: Lab) -> Iterator[str]:
    """A bare host with an ACME client that nobody told of the lab."""
    lab.boot("web", WEB, [])
    wait_for(lambda: settled(lab, "web"))
    lab.publish("web.example", [ResourceRecord("web.example", "A", 5, WEB)])
    lab.publish("elsewhere.example", [ResourceRecord("elsewhere.example", "A", 5, "198.19.0.30")])
    lab.run("web", ["apt-get", "-qq", "update"])
    lab.run("web", ["apt-get", "-qq", "-y", "install", "--no-install-recommends", "lego", "openssl"])
    yield "web"
    lab.destroy("web")


def order(lab: Lab, host: str, name: str, *challenge: str) -> subprocess.CompletedProcess[str]:
    words = ["--server", ACME_DIRECTORY, "--accept-tos", "--email", "ops@web.example", "--path", "/root/lego"]
    return lab.run(host, ["lego", *words, "--domains", name, *challenge, "run"], check=False)


@pytest.mark.parametrize("challenge", ["--http", "--tls"])
def test_a_host_gets_a_certificate_that_the_labs_root_vouches_for(lab: Lab, web: str, challenge: str) -> None:
    lab.run(web, ["rm", "-rf", "/root/lego"])
    done = order(lab, web, "web.example", challenge)
    assert done.returncode == 0, done.stderr
    chain = "/root/lego/certificates/web.example.crt"
    verify = ["openssl", "verify", "-verify_hostname", "web.example", "-untrusted", chain]
    lab.run(web, ["tee", "/root/root.pem"], stdin=lab.acme.root())
    said = lab.run(web, [*verify, "-CAfile", "/root/root.pem", chain])
    assert said.stdout.strip() == f"{chain}: OK"
    # Only its door is vouched for by what hosts trust: what it issues is as good as nothing outside the lab.
    assert lab.run(web, [*verify, chain], check=False).returncode


def test_a_name_that_points_elsewhere_gets_no_certificate(lab: Lab, web: str) -> None:
    done = order(lab, web, "elsewhere.example", "--http")
    assert done.returncode
    assert "acme:error:connection" in done.stderr


def test_hosts_and_operators_find_the_directory_and_trust_its_door(lab: Lab) -> None:
    seen = lab.run("stranger", ["curl", "-sSf", ACME_DIRECTORY]).stdout
    assert '"newOrder"' in seen
    environment = lab.environment()
    curl = ["curl", "-sSf", "--cacert", environment["ACME_CA"], environment["ACME_DIRECTORY"]]
    asked = subprocess.run(lab.operator_command(curl), capture_output=True, text=True, check=True)
    assert asked.stdout == seen
    assert Path(environment["ACME_CA"]).is_relative_to(lab.state)


def test_a_host_that_renews_its_bundle_of_authorities_still_trusts_the_lab(lab: Lab, web: str) -> None:
    lab.run(web, ["update-ca-certificates", "--fresh"])
    assert '"newOrder"' in lab.run(web, ["curl", "-sSf", ACME_DIRECTORY]).stdout
