"""The fleet file that is rehearsed in place of another."""

from __future__ import annotations

from pathlib import Path

import pytest

from inventory import allocate, load_fleet
from inventory.document import parse
from lab.addresses import OPERATOR
from lab.understudy import understudy

ROOT = Path(__file__).resolve().parents[2]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH1mzEl1WlO6G0G1NZTP8hGUxIoaVFlqlE4rcT6ZyJqd lab"


@pytest.mark.parametrize("name", ["fleet.yaml", "rehearsal.yaml"])
def test_only_addresses_and_keys_of_operators_and_ipv4_differ(name: str, tmp_path: Path) -> None:
    original = load_fleet(ROOT / name)
    text = (ROOT / name).read_text("utf-8").replace("    count:", "    ipv4: 192.0.2.77\n    count:", 1)
    stand_in = tmp_path / name
    stand_in.write_text(understudy(text, [KEY]), "utf-8")
    rehearsed = load_fleet(stand_in)
    assert [str(network) for network in rehearsed.operators.addresses][-1] == f"{OPERATOR}/32"
    assert rehearsed.operators.ssh_keys == (KEY,)
    kept = {"operators": original.operators}
    assert rehearsed.model_copy(update=kept) == original.model_copy(update=kept)
    assert allocate(rehearsed).homes == allocate(original).homes


def test_a_service_that_is_left_out_is_the_only_other_difference() -> None:
    text = (ROOT / "rehearsal.yaml").read_text("utf-8")
    whole, without = parse(understudy(text, [KEY])), parse(understudy(text, [KEY], ["n8n"]))
    assert isinstance(whole, dict)
    assert isinstance(without, dict)
    assert whole["orchestrator"].pop("services") == ["n8n"]
    assert without["orchestrator"].pop("services") == []
    assert whole == without
