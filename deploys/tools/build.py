"""Building a release on the operator's machine, once: a wheel, its dependencies' wheels, one archive of all.

Kept outside the checkout, by version; the dependencies' wheels by the digest of their lock, so that changed
sources cost a second and no network.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from deploys.builds import ReleaseError, alone, cause, digest, prune, run_tool
from deploys.cache import cache_path
from deploys.tools.release import PYTHON, Release

_GLIBC = range(5, 42)  # what Debian 13's glibc 2.41 runs (PEP 600): every manylinux up to it
_SOURCES_ONLY = ("nkeys", "pyspf")  # without a wheel; pure Python, so that one made here fits there
_EPOCH = "1767225600"  # 2026-01-01: the wheel's bytes depend on its sources alone
_ANSWER_SECONDS = 15  # of a package index, between two bytes


def archive(release: Release) -> Path | None:
    """The release's archive, if it was built."""
    path = _archive(release.version)
    return path if path.exists() else None


def build(release: Release) -> Path:
    """Build a release, unless it is there already.

    Returns:
        A tar archive: ``wheels/`` and ``requirements.txt``, which names each with its SHA-256.

    Raises:
        ReleaseError: no package index is reached, the sources make no wheel, or the disk is full.
    """
    path = _archive(release.version)
    with alone(path.parent):
        if path.exists():
            os.utime(path)
            return path
        try:
            wheels = _dependencies(release.lock)
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=".part-") as part:
                built = _wheel(release, Path(part))
                packed = Path(part, "release.tar")
                _pack(packed, [built, *sorted(wheels.glob("*.whl"))])
                packed.replace(path)
        except OSError as error:
            raise ReleaseError(f"{path} cannot be written: {error.strerror}") from None
        prune(path.parent, "*.tar", path)
        prune(wheels.parent, "*", wheels)
    return path


def _archive(version: str) -> Path:
    return cache_path() / "releases" / f"{version}.tar"


def _dependencies(lock: str) -> Path:
    """The folder of the dependencies' wheels, downloaded if it is not there."""
    name = hashlib.sha256(f"{PYTHON} {lock}".encode()).hexdigest()[:16]
    folder = cache_path() / "wheels" / name
    if folder.is_dir():
        os.utime(folder)
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".part-") as part:
        wheels = Path(part, "wheels")
        wheels.mkdir()
        ready, sources = split(lock)
        target = ["--implementation", "cp", "--python-version", f"{PYTHON[0]}.{PYTHON[1]}"]
        target += [word for minor in _GLIBC for word in ("--platform", f"manylinux_2_{minor}_x86_64")]
        _pip("download", wheels, ready, ["--only-binary", ":all:", *target])
        if sources:
            _pip("wheel", wheels, sources, [])
        wheels.rename(folder)
    return folder


def split(lock: str) -> tuple[str, str]:
    """The requirements that have wheels, and those that are published as sources only."""
    entries = [entry for entry in re.split(r"\n(?=\S)", lock) if not entry.startswith("#")]
    sources = [entry for entry in entries if entry.partition("==")[0] in _SOURCES_ONLY]
    ready = [entry for entry in entries if entry not in sources]
    return _text(ready), _text(sources)


def _text(entries: Sequence[str]) -> str:
    return "".join(f"{entry.rstrip()}\n" for entry in entries)


def _pip(verb: str, into: Path, requirements: str, options: Sequence[str]) -> None:
    listed = into.parent / "requirements.txt"
    listed.write_text(requirements, "utf-8")
    pip = [sys.executable, "-m", "pip", verb, "--quiet", "--disable-pip-version-check", "--retries", "2"]
    pip += ["--timeout", str(_ANSWER_SECONDS)]
    pip += ["--no-deps", "--require-hashes", "--requirement", str(listed), *options]
    where = ["--wheel-dir" if verb == "wheel" else "--dest", str(into)]
    done = run_tool([*pip, *where], into, SOURCE_DATE_EPOCH=_EPOCH)
    if done.returncode:
        raise ReleaseError(
            f"the dependencies of a release cannot be downloaded ({cause(done.stderr)});"
            " where a package index is reached, run `outreach tools build`"
        )


def _wheel(release: Release, part: Path) -> Path:
    """Build the wheel from copies of its sources: what is built is what was read."""
    sources, out = part / "sources", part / "out"
    for name, content in release.files.items():
        path = sources / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    hatchling = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)]
    done = run_tool(hatchling, sources, SOURCE_DATE_EPOCH=_EPOCH)
    if done.returncode:
        raise ReleaseError(
            f"the wheel of release {release.version} cannot be built: {cause(done.stdout + done.stderr)}"
        )
    (wheel,) = out.glob("*.whl")
    return wheel


def _pack(path: Path, wheels: Sequence[Path]) -> None:
    """Write the archive; equal wheels make equal bytes."""
    # pip is carried along to install the others, and not installed itself.
    lines = [f"./wheels/{wheel.name} --hash=sha256:{digest(wheel)}" for wheel in wheels]
    requirements = "\n".join(line for line in lines if not line.startswith("./wheels/pip-")) + "\n"
    with tarfile.open(path, "w") as tar:
        _add(tar, "requirements.txt", requirements.encode())
        for wheel in wheels:
            _add(tar, f"wheels/{wheel.name}", wheel.read_bytes())


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o644
    tar.addfile(info, io.BytesIO(content))
