"""octodns-cloudflare converges a zone on the emulator, and then has nothing left to do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.emulators import ACCOUNT, Emulators

DKIM = "v=DKIM1; k=rsa; p=" + "A" * 392
RECORDS = {
    "": [
        {"type": "MX", "value": {"preference": 10, "exchange": "n1.infra.example."}},
        {"type": "TXT", "value": "v=spf1 include:_spf.infra.example -all"},
        {"type": "CAA", "value": {"flags": 0, "tag": "issue", "value": "letsencrypt.org"}},
    ],
    "n1": {"type": "A", "values": ["198.18.2.10", "198.18.2.11"]},
    "www": {"type": "CNAME", "value": "berg.example."},
    "s1._domainkey": {"type": "TXT", "value": DKIM.replace(";", "\\;")},
    "_dmarc": {"type": "TXT", "value": "v=DMARC1\\; p=none\\; rua=mailto:dmarc@infra.example"},
    "_imaps._tcp": {
        "type": "SRV",
        "value": {"priority": 0, "weight": 1, "port": 993, "target": "n1.infra.example."},
    },
}


class Octodns:
    def __init__(self, emulators: Emulators, directory: Path) -> None:
        self._zone = directory / "berg.example.yaml"
        self._config = directory / "config.yaml"
        source = {
            "class": "octodns.provider.yaml.YamlProvider",
            "directory": str(directory),
            "default_ttl": 3600,
            "enforce_order": False,
        }
        target = {
            "class": "octodns_cloudflare.CloudflareProvider",
            "token": emulators.env["CLOUDFLARE_API_TOKEN"],
            "account_id": ACCOUNT,
            "api_url": emulators.env["CLOUDFLARE_BASE_URL"],
            "pagerules": False,
            "retry_period": 1,
        }
        config = {
            "providers": {"source": source, "target": target},
            "zones": {"berg.example.": {"sources": ["source"], "targets": ["target"]}},
        }
        self._config.write_text(yaml.safe_dump(config))

    def sync(self, records: Mapping[str, object]) -> str:
        self._zone.write_text(yaml.safe_dump(records))
        octodns_sync = Path(sys.executable).with_name("octodns-sync")
        command = [str(octodns_sync), "--config-file", str(self._config), "--doit", "--force"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stderr


@pytest.fixture
def octodns(emulators: Emulators, tmp_path: Path) -> Octodns:
    (tmp_path / "zones").mkdir()
    return Octodns(emulators, tmp_path / "zones")


def test_octodns_makes_a_zone_and_its_records_and_a_second_run_changes_nothing(
    octodns: Octodns, emulators: Emulators
) -> None:
    octodns.sync(RECORDS)
    emulators.forget_requests("cloudflare")
    assert "No changes were planned" in octodns.sync(RECORDS)
    assert {entry["method"] for entry in emulators.requests("cloudflare")} == {"GET"}
    published = {(record["type"], record["rdata"]) for record in emulators.world()["zones"]["berg.example"]}
    assert ("MX", "10 n1.infra.example.") in published
    assert DKIM in {rdata.replace('" "', "").strip('"') for kind, rdata in published if kind == "TXT"}
    assert ("CAA", '0 issue "letsencrypt.org"') in published


def test_octodns_updates_and_deletes(octodns: Octodns, emulators: Emulators) -> None:
    octodns.sync(RECORDS)
    changed = {**RECORDS, "n1": {"type": "A", "ttl": 600, "value": "198.18.2.12"}}
    del changed["www"]
    octodns.sync(changed)
    assert "No changes were planned" in octodns.sync(changed)
    served = {
        record["name"]: (record["ttl"], record["rdata"])
        for record in emulators.world()["zones"]["berg.example"]
        if record["type"] in ("A", "CNAME")
    }
    assert served == {"n1.berg.example": (600, "198.18.2.12")}
