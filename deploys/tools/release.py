"""What is pushed onto hosts, and its name: known from the sources alone, without building anything.

A release is one wheel of the rooms that run on hosts, and a wheel of each of their dependencies as
`requirements-node.lock` has them. The other rooms stay with the operator, so that a changed deploy or
template restarts nothing.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploys.builds import ReleaseError

ROOMS = ("api", "backup", "engine", "inventory", "metrics", "notifier", "status", "validator")
"""They import nothing else of ours; `lint-imports` holds them to it."""
LOCK = "requirements-node.lock"
PYTHON = (3, 13)
"""Debian 13's; the lock and the wheels are for it, on x86_64."""
CHECKOUT = Path(__file__).parents[2]

_DIGITS = 12  # 48 bits: of a fleet's releases no two collide


@dataclass(frozen=True)
class Release:
    """A release as its sources say.

    Args:
        version: the project's, and a digest of everything below: ``0.1.0+r3f2a9c0d1e4b``.
        files: what the wheel is built from, by path.
        lock: the dependencies, with hashes.
    """

    version: str
    files: Mapping[str, bytes] = field(repr=False)
    lock: str = field(repr=False)


def read_release(checkout: Path | None = None) -> Release:
    """Read the sources and name the release they make.

    Args:
        checkout: where they are; this very checkout without it.

    Raises:
        ReleaseError: there is no checkout.
    """
    checkout = checkout or CHECKOUT
    try:
        project = tomllib.loads((checkout / "pyproject.toml").read_text("utf-8"))["project"]
        lock = (checkout / LOCK).read_text("utf-8")
        files = dict(_sources(checkout))
    except OSError as error:
        raise ReleaseError(
            f"{error.filename} cannot be read ({error.strerror}): a release for hosts is made from a checkout"
        ) from None
    version = name(project, files, lock)
    files["pyproject.toml"] = describe(project, version).encode()
    return Release(version, files, lock)


def name(project: Mapping[str, Any], files: Mapping[str, bytes], lock: str) -> str:
    """The version of these sources; any difference in them makes another."""
    parts = [describe(project, "").encode(), lock.encode()]
    for path in sorted(files):
        parts += [path.encode(), files[path]]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    # A local version (PEP 440); the letter keeps it from being read as a number, whose zeros would go.
    return f"{project['version']}+r{digest.hexdigest()[:_DIGITS]}"


def describe(project: Mapping[str, Any], version: str) -> str:
    """The ``pyproject.toml`` of the wheel for hosts: the project's, cut to :data:`ROOMS`.

    Args:
        project: the table ``[project]``.
        version: of the wheel.
    """
    scripts = {
        command: target
        for command, target in project.get("scripts", {}).items()
        if target.partition(":")[0].partition(".")[0] in ROOMS
    }
    # JSON's strings and lists are TOML's too.
    lines = ["[build-system]", 'requires = ["hatchling"]', 'build-backend = "hatchling.build"', "[project]"]
    lines += [f"{key} = {json.dumps(project[key])}" for key in ("name", "license", "requires-python")]
    lines += [f"version = {json.dumps(version)}", f"dependencies = {json.dumps(project['dependencies'])}"]
    lines += ["[project.scripts]", *(f"{command} = {json.dumps(to)}" for command, to in scripts.items())]
    lines += ["[tool.hatch.build.targets.wheel]", f"packages = {json.dumps(ROOMS)}"]
    return "\n".join(lines) + "\n"


def _sources(checkout: Path) -> Iterator[tuple[str, bytes]]:
    yield "LICENSE", (checkout / "LICENSE").read_bytes()
    for room in ROOMS:
        for path in sorted((checkout / room).rglob("*")):
            relative = path.relative_to(checkout)
            hidden = any(part.startswith(".") or part == "__pycache__" for part in relative.parts)
            if path.is_file() and not hidden:
                yield relative.as_posix(), path.read_bytes()
