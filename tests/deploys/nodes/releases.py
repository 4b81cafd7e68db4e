"""Other releases than this checkout's: a next one, and ones that fail in a way of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

from deploys.tools.build import build
from deploys.tools.release import LOCK, ROOMS, read_release

REPOSITORY = Path(__file__).parents[3]

SERVE = "        serve_app(made, found, listening(found))\n"
EDITS = {
    "next": ("api/__init__.py", "", "# another release\n"),
    "unfit": ("api/cli.py", "from api.server import", "from api.no_such_room import"),
    "dying": ("api/cli.py", SERVE, '        raise RuntimeError("error: not today")\n'),
    "wrong": ("api/routes/health.py", "request.app.state.service.version", '"0.0.0"'),
    "worse": (
        "validator/doctor.py",
        "    return findings\n",
        '    findings.append(Finding("its age", False, "shows.", ""))\n    return findings\n',
    ),
    "crashing": (
        "validator/doctor.py",
        "    return findings\n",
        '    raise RuntimeError("the doctor is out")\n',
    ),
}
"""By name: the file that is changed, what is replaced, and by what; nothing replaced appends."""


def checkout(folder: Path, name: str) -> Path:
    """A checkout of which a release is made, already built."""
    place = folder / name
    for room in ROOMS:
        shutil.copytree(REPOSITORY / room, place / room, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("LICENSE", "pyproject.toml", LOCK):
        shutil.copy(REPOSITORY / file, place / file)
    path, good, bad = EDITS[name]
    text = (place / path).read_text()
    assert good in text
    (place / path).write_text(text.replace(good, bad, 1) if good else text + bad)
    build(read_release(place))
    return place
