"""`outreach rehearse`: the whole fleet on one machine, and the proofs that it works."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from cli import fail, write
from cli.fleet import read_fleet
from deploys.builds import ReleaseError
from deploys.n8n.build import build as build_n8n
from deploys.n8n.release import read_release as read_n8n_release
from deploys.tools.build import build
from deploys.tools.release import read_release
from lab import Lab, LabError, default_state
from lab.rehearsal import Rehearsal, Report


def rehearse(
    *,
    fleet: Path = Path("rehearsal.yaml"),
    report: Annotated[Path | None, Parameter(help="Write the checks and timings there, as JSON.")] = None,
    without: Annotated[
        tuple[Literal["n8n"], ...], Parameter(help="Leave a service of the orchestrator out, for speed.")
    ] = (),
    keep: Annotated[bool, Parameter(help="Leave the lab up afterwards, to look around in.")] = True,
) -> int:
    """Build the releases, rehearse in this checkout's lab, and take that down if all went well."""
    asked = read_fleet(fleet)
    lab = Lab(default_state(), asked.dns.account)
    try:
        # Here, because the rehearsal's operators have no way out to a package index.
        build(read_release())
        if "n8n" in asked.orchestrator.services and "n8n" not in without:
            build_n8n(read_n8n_release())
        shown = Rehearsal(lab, fleet, _say, without).run()
        if not keep:
            lab.down()
    except (LabError, ReleaseError) as error:
        fail(str(error))
    _close(shown, keep)
    if report:
        write(report, json.dumps(shown.as_json(), indent=2) + "\n")
    return 1 if shown.failed else 0


def _close(shown: Report, kept: bool) -> None:
    phases = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in shown.seconds.items())
    _say(f"took {sum(shown.seconds.values()):.0f} s: {phases}")
    if shown.cost:
        _say(f"this fleet costs {shown.cost}: see `outreach costs budget --fleet FILE`")
    if kept:
        _say("the lab is still up: `.venv/bin/outreach lab ssh n1` to look around, `./run down` to end it")
    _say(f"rehearsal: {shown.passed} checks passed, {shown.failed} failed")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
