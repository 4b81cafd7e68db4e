"""Real hosts for the tests of deploys: a lab of their own, booted once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from deploys.secrets import account_password
from deploys.tools.build import build
from deploys.tools.release import read_release
from lab import Lab
from lab.proofs.scene import Mailbox
from lab.world import ResourceRecord
from tests.deploys.nodes.samples import INFRA, host_data

SECRET = "0123456789abcdef" * 4
ADDRESSES = {"hub": "198.18.1.1", "n1": "198.18.2.1", "n2": "198.18.2.2"}
REPOSITORY = Path(__file__).parents[3]


class Fleet:
    """A few hosts of a lab, and an operator who converges them.

    Args:
        lab: where they are booted.
        folder: for the operator's files.
    """

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.first: dict[str, Any] = {}
        self.known_hosts = folder / "fleet.known_hosts"
        self.environment = {**os.environ, **lab.environment(), "OUTREACH_SECRET": SECRET}
        self.key = self.environment["OUTREACH_SSH_KEY"]
        self.public_key = Path(f"{self.key}.pub").read_text().strip()

    def boot(self, *names: str) -> None:
        for name in names:
            self.lab.boot(name, ADDRESSES[name], [self.public_key])

    def host(self, name: str, **over: Any) -> dict[str, Any]:
        """A host as the inventory describes it."""
        role = "orchestrator" if name == "hub" else "node"
        data = host_data(
            name,
            ADDRESSES[name],
            **{
                "role": role,
                "ssh_keys": [self.public_key],
                "ssh_hostname": ADDRESSES[name],
                "ssh_user": "root",
                "ssh_key": self.key,
                "ssh_known_hosts_file": str(self.known_hosts),
                "ssh_strict_host_key_checking": "yes",
                **over,
            },
        )
        groups = ["orchestrator" if role == "orchestrator" else "nodes"]
        return {"name": name, "fqdn": data["fqdn"], "groups": groups, "data": data}

    def operate(self, verb: str, *hosts: dict[str, Any], **environment: str) -> dict[str, Any]:
        """Let an operator do something to hosts; see `driver.py`."""
        done = self.process(verb, *hosts, **environment)
        assert done.returncode == 0, done.stderr
        outcome: dict[str, Any] = json.loads(done.stdout)
        return outcome

    def process(
        self, verb: str, *hosts: dict[str, Any], **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """The operator's process, run to its end."""
        return subprocess.run(
            self.command([sys.executable, "-m", "tests.deploys.nodes.driver", verb]),
            input=json.dumps(hosts),
            env={**self.environment, **environment},
            cwd=REPOSITORY,
            text=True,
            capture_output=True,
            timeout=600,
            check=False,
        )

    def command(self, argv: Sequence[str]) -> list[str]:
        """A command, run where operators are."""
        return self.lab.operator_command(argv)

    def sh(self, name: str, script: str) -> str:
        """What a shell script prints on a host."""
        return self.lab.run(name, ["bash", "-c", script], check=False).stdout.strip()

    def mailbox(self, address: str, name: str) -> Mailbox:
        """An account of a node, reached by address: its name may not be in DNS yet."""
        password = account_password(SECRET.encode(), address)
        return Mailbox(address, password, ADDRESSES[name], address.partition("@")[2])

    def publish(self, *names: str) -> None:
        """Serve the least DNS that makes mail of these nodes pass SPF, DKIM and DMARC."""
        hosts = [self.host(name) for name in names]
        keys = self.operate("keys", *hosts)
        infra = []
        for host in hosts:
            address, fqdn = host["data"]["ipv4"], host["fqdn"]
            infra += [
                ResourceRecord(fqdn, "A", 5, address),
                ResourceRecord(fqdn, "TXT", 5, '"v=spf1 a -all"'),
            ]
            self.lab.set_ptr(address, fqdn)
            for domain in (domain["name"] for domain in host["data"]["domains"]):
                text = f"v=DKIM1; k=rsa; p={keys[domain]}"
                strings = " ".join(f'"{text[at : at + 250]}"' for at in range(0, len(text), 250))
                self.lab.publish(
                    domain,
                    [
                        ResourceRecord(domain, "MX", 5, f"10 {fqdn}."),
                        ResourceRecord(domain, "TXT", 5, f'"v=spf1 ip4:{address} -all"'),
                        ResourceRecord(f"s1._domainkey.{domain}", "TXT", 5, strings),
                        ResourceRecord(f"_dmarc.{domain}", "TXT", 5, '"v=DMARC1; p=reject"'),
                    ],
                )
        self.lab.publish(INFRA, infra)


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A lab with a bare orchestrator and two bare nodes, their host keys pinned."""
    folder = tmp_path_factory.mktemp("nodes")
    build(read_release())  # here: operators of the lab have no way out to a package index
    lab = Lab(folder / "lab")
    lab.up()
    try:
        fleet = Fleet(lab, folder)
        fleet.boot(*ADDRESSES)
        learned = fleet.operate("learn", *map(fleet.host, ADDRESSES))
        assert {found["contact"] for found in learned.values()} == {"learned"}
        yield fleet
    finally:
        lab.down()


@pytest.fixture(scope="session")
def converged(fleet: Fleet) -> Fleet:
    """The fleet after its first convergence, whatever that came to; `fleet.first` is its outcome."""
    fleet.first = fleet.operate("converge", *map(fleet.host, ADDRESSES))
    return fleet
