"""Building a release on the operator's machine, once: a wheel, its dependencies' wheels, one archive of all.

Kept outside the checkout, by version; the dependencies' wheels by the digest of their lock, so that changed
sources cost a second and no network.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploys.cache import cache_path
from deploys.tools.release import PYTHON, Release, ReleaseError

KEPT = 16
"""Archives, and sets of wheels, that stay beside the one in use."""

_GLIBC = range(5, 42)  # what Debian 13's glibc 2.41 runs (PEP 600): every manylinux up to it
_SOURCES_ONLY = ("nkeys",)  # published without a wheel; pure Python, so that one made here fits there
_EPOCH = "1767225600"  # 2026-01-01: the wheel's bytes depend on its sources alone
_ANSWER_SECONDS = 15  # of a package index, between two bytes
_BUILD_SECONDS = 900  # of one tool, and for whoever waits for another build


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
    with _alone(path.parent):
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
        _prune(path.parent, "*.tar", path)
        _prune(wheels.parent, "*", wheels)
    return path


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _archive(version: str) -> Path:
    return cache_path() / "releases" / f"{version}.tar"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ReleaseError(f"{folder} cannot be used ({error.strerror}); set OUTREACH_CACHE") from None
    try:
        deadline = time.monotonic() + _BUILD_SECONDS
        # Asked again and again: to block here would hold every greenlet of this process, the builder's too.
        while not _locked(lock):
            if time.monotonic() > deadline:
                raise ReleaseError(
                    f"another build holds {folder} for {_BUILD_SECONDS} s; end it, and try again"
                )
            time.sleep(0.1)
        yield
    finally:
        os.close(lock)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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
    done = _run([*pip, *where], into, SOURCE_DATE_EPOCH=_EPOCH)
    if done.returncode:
        raise ReleaseError(
            f"the dependencies of a release cannot be downloaded ({_cause(done.stderr)});"
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
    done = _run(hatchling, sources, SOURCE_DATE_EPOCH=_EPOCH)
    if done.returncode:
        raise ReleaseError(
            f"the wheel of release {release.version} cannot be built: {_cause(done.stdout + done.stderr)}"
        )
    (wheel,) = out.glob("*.whl")
    return wheel


def _run(argv: Sequence[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            argv,
            cwd=folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=_BUILD_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise ReleaseError(f"{' '.join(argv[1:4])} did not end within {_BUILD_SECONDS} s") from None


def _cause(said: str) -> str:
    """The telling line of what a tool said: the first error, which the others follow from."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\berror\b", line, re.IGNORECASE)]
    return (errors or lines or ["it said nothing"])[0].removeprefix("ERROR: ")


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


def _prune(folder: Path, pattern: str, current: Path) -> None:
    """Drop all but the newest: a cache that only grows is a full disk one day."""
    others = sorted(
        (path for path in folder.glob(pattern) if path != current), key=lambda p: p.stat().st_mtime
    )
    for old in others[:-KEPT] if len(others) > KEPT else []:
        shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
