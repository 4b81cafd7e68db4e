"""`outreach tools`: the release of the project's own tools that `outreach apply` pushes onto hosts."""

from __future__ import annotations

from cyclopts import App

from cli.builds import report_build
from deploys.tools.build import build as built
from deploys.tools.release import read_release

app = App(name="tools")


@app.command
def build() -> None:
    """Build the release of this checkout, unless it is there; needs a package index the first time.

    `outreach apply` does it by itself. Where that runs without a way out, this goes before.
    """
    report_build("release", read_release, built)
