"""A release's name and parts, from its sources alone; and the real thing, built twice."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deploys.builds import ReleaseError, digest
from deploys.cache import cache_path
from deploys.tools.build import build, split
from deploys.tools.release import ROOMS, describe, name, read_release

PROJECT: dict[str, Any] = {
    "name": "outreach-engine",
    "version": "1.2.0",
    "license": "Apache-2.0",
    "requires-python": ">=3.11",
    "dependencies": ["rich>=15"],
    "scripts": {"outreach": "cli:main", "outreach-api": "api.cli:main", "validator": "validator.cli:main"},
}
FILES = {"api/__init__.py": b"", "validator/cli.py": b"x = 1\n"}
LOCK = "rich==15.0.0 \\\n    --hash=sha256:00\n"


@pytest.mark.parametrize(
    ("project", "files", "lock"),
    [
        ({"version": "1.2.1"}, {}, LOCK),
        ({"dependencies": []}, {}, LOCK),
        ({"scripts": {"validator": "validator.other:main"}}, {}, LOCK),
        ({}, {"validator/cli.py": b"x = 2\n"}, LOCK),
        ({}, {"validator/new.py": b""}, LOCK),
        ({}, {}, LOCK.replace("00", "01")),
    ],
)
def test_whatever_changes_in_a_release_changes_its_name(
    project: Mapping[str, Any], files: Mapping[str, bytes], lock: str
) -> None:
    before = name(PROJECT, FILES, LOCK)
    assert name(PROJECT, dict(reversed(FILES.items())), LOCK) == before
    assert name({**PROJECT, **project}, {**FILES, **files}, lock) != before


def test_moving_a_byte_from_one_file_to_the_next_changes_the_name() -> None:
    assert name(PROJECT, {"a": b"xy", "b": b""}, "") != name(PROJECT, {"a": b"x", "b": b"y"}, "")


def test_what_stays_with_the_operator_does_not_change_the_name() -> None:
    more = {**PROJECT, "scripts": {**PROJECT["scripts"], "outreach": "cli.other:main"}}
    assert name(more, FILES, LOCK) == name(PROJECT, FILES, LOCK)


def test_a_release_has_the_commands_of_its_rooms_only() -> None:
    described = describe(PROJECT, "1.2.0+r0")
    assert 'outreach-api = "api.cli:main"' in described
    assert 'validator = "validator.cli:main"' in described
    assert "cli:main" not in described.replace("api.cli:main", "").replace("validator.cli:main", "")


def test_without_a_checkout_it_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        ReleaseError, match=r"pyproject.toml cannot be read .*: a release for hosts is made from"
    ):
        read_release(tmp_path)


def test_dependencies_without_a_wheel_are_told_from_the_others() -> None:
    ready, sources = split("# by ./run lock\n" + LOCK + "nkeys==0.2 \\\n    --hash=sha256:11\npip==26\n")
    assert (ready, sources) == (LOCK + "pip==26\n", "nkeys==0.2 \\\n    --hash=sha256:11\n")


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"OUTREACH_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, "/a"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/outreach"),
    ],
)
def test_the_cache_is_where_the_environment_says(environ: Mapping[str, str], folder: str) -> None:
    assert cache_path(environ) == Path(folder)


def test_a_release_built_again_is_the_same_to_the_byte() -> None:
    release = read_release()
    first = digest(build(release))
    build(release).unlink()
    assert digest(build(release)) == first


def test_a_release_holds_its_rooms_and_every_dependency_with_its_hash() -> None:
    release = read_release()
    with tarfile.open(build(release)) as tar:
        names = tar.getnames()
        listed = tar.extractfile("requirements.txt")
        own = tar.extractfile(f"wheels/outreach_engine-{release.version}-py3-none-any.whl")
        assert listed
        assert own
        rows = listed.read().decode().splitlines()
        with zipfile.ZipFile(own) as wheel:
            rooms = {entry.partition("/")[0] for entry in wheel.namelist() if ".dist-info" not in entry}
    assert rooms == set(ROOMS)
    wheels = {entry for entry in names if entry.endswith(".whl")}
    assert {row.split()[0].removeprefix("./") for row in rows} == {
        wheel for wheel in wheels if not wheel.startswith("wheels/pip-")
    }
    assert all("--hash=sha256:" in row for row in rows)
    assert len(wheels) == release.lock.count("==") + 1


def test_an_index_out_of_reach_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {
        "OUTREACH_CACHE": str(tmp_path),
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_FIND_LINKS": "",
    }.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(ReleaseError) as raised:
        build(read_release())
    assert "cannot be downloaded" in str(raised.value)
    assert "outreach tools build" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.rglob("*.whl"))
