"""Where images are kept: made once by their recipe, found again by its hash, dropped when nobody wants them.

An image is in use while a host stands on it. The host's own process holds a lock on the image, so that the
kernel says who uses what, however a lab ended and whichever checkout it belongs to.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lab.cache import cache_directory, require_space
from lab.process import LabError, locked

log = logging.getLogger(__name__)

UNWANTED_AFTER = 3 * 86400.0
"""Seconds without a use after which an older image goes. Not at once: checkouts that differ take turns."""
_SPACE_TO_BUILD = 3 << 30
_NAME = re.compile(r"(.+)-[0-9a-f]{12}")
Build = Callable[[Path, int], None]
"""Builds `layer` in the directory it is given; the descriptor holds the lock on the images."""


def kept(kind: str, recipe: str, build: Build) -> Path:
    """The image made by a recipe, built on first use.

    Args:
        kind: what it is; images of one kind replace each other.
        recipe: all that decides what is in it.
        build: makes it.

    Raises:
        LabError: no space, or it cannot be built.
    """
    images = _directory()
    image = images / f"{kind}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    _mark(image).touch()  # before the look: what is wanted now is not dropped meanwhile
    if image.is_dir():
        return image
    with locked(images) as lock:  # two labs build one image once
        if image.is_dir():
            return image
        work = images / "part"
        shutil.rmtree(work, ignore_errors=True)
        require_space(images, _SPACE_TO_BUILD)
        work.mkdir()
        log.info("building the %s image, which is kept (about half a minute)", kind)
        try:
            build(work, lock)
            (work / "layer").rename(image)
        except LabError as error:
            raise LabError(f"cannot build the {kind} image from a Debian mirror: {error}") from None
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return image


@contextmanager
def held(layers: Sequence[Path]) -> Iterator[tuple[int, ...]]:
    """Hold images; a process that inherits the yielded descriptors holds them for as long as it lives.

    Raises:
        LabError: one of them is gone.
    """
    with ExitStack() as stack:
        descriptors = []
        for layer in layers:
            try:
                descriptor = os.open(layer, os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:
                raise LabError(
                    f"the image {layer} is gone; `outreach lab down`, then `up` builds it anew"
                ) from None
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            descriptors.append(descriptor)
        yield tuple(descriptors)


def in_use(image: Path) -> bool:
    """Whether a host stands on an image."""
    descriptor = os.open(image, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def prune(now: float) -> list[Path]:
    """Drop every image that nobody has wanted for long, but the last wanted of each kind and what is in use.

    Args:
        now: the time, in seconds since 1970.

    Returns:
        What was dropped.
    """
    images = _directory()
    dropped = []
    with locked(images):
        for found in _by_kind(images).values():
            *older, _newest = sorted(found, key=_last_wanted)
            for image in older:
                if now - _last_wanted(image) > UNWANTED_AFTER and not in_use(image):
                    _drop(image)
                    dropped.append(image)
    return dropped


def _drop(image: Path) -> None:
    log.info("dropping the image %s, which nobody uses", image.name)
    going = image.with_name("going")
    shutil.rmtree(going, ignore_errors=True)  # what an earlier drop had not finished
    image.rename(going)  # at once, so that nobody finds half of one
    _mark(image).unlink(missing_ok=True)
    shutil.rmtree(going)


def _by_kind(images: Path) -> dict[str, list[Path]]:
    found = defaultdict(list)
    for path in images.iterdir():
        if path.is_dir() and (match := _NAME.fullmatch(path.name)):
            found[match[1]].append(path)
    return found


def _last_wanted(image: Path) -> float:
    mark = _mark(image)
    return (mark if mark.exists() else image).stat().st_mtime


def _mark(image: Path) -> Path:
    return image.with_name(f"{image.name}.wanted")


def _directory() -> Path:
    images = cache_directory() / "images"
    images.mkdir(exist_ok=True)
    return images
