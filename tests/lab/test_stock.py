"""A host with a stock is as far as an apply that has installed its packages, and no further."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from lab import Lab
from tests.lab.conftest import settled, wait_for
from tests.stock import STOCK

pytestmark = pytest.mark.lab

UNITS = ("postfix", "dovecot", "rspamd", "unbound", "nats-server", "postgresql", "prometheus", "caddy")
LEFT = "ls /usr/sbin/policy-rc.d /usr/lib/outreach-stock; find /etc/systemd -name '*stock*'; dpkg --audit"
LISTENING = "ss -Hltn | grep -v ':22 ' || true"


def test_a_stocked_host_has_every_package_enabled_and_none_of_them_started(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "lab", stock=STOCK)
    lab.up()
    try:
        lab.boot("h1", "198.18.1.101", [])
        wait_for(partial(settled, lab, "h1"))

        def shown(script: str) -> list[str]:
            return lab.run("h1", ["sh", "-c", script], check=False).stdout.split()

        installed = shown(f"dpkg-query -W -f='${{db:Status-Abbrev}} ' {' '.join(STOCK.packages)}")
        assert set(installed) <= {"ii", "hi"}
        assert shown(f"systemctl is-enabled {' '.join(UNITS)}") == ["enabled"] * len(UNITS)
        assert shown(f"systemctl is-active {' '.join(UNITS)}") == ["inactive"] * len(UNITS)
        assert shown(LISTENING) == []
        assert shown(LEFT) == []
    finally:
        lab.down()
