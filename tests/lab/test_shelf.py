"""Images are built once, and go when nobody wants them, never from under a host."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import LabError, shelf

NOW = time.time()
LONG_AGO = NOW - shelf.UNWANTED_AFTER - 60


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of images, empty."""
    monkeypatch.setenv("OUTREACH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/images"


def make(recipe: str, wanted: float = NOW, kind: str = "bare") -> Path:
    """An image with one file in it, last wanted then."""

    def build(work: Path, _lock: int) -> None:
        (work / "layer/etc").mkdir(parents=True)
        (work / "layer/etc/recipe").write_text(recipe)

    image = shelf.kept(kind, recipe, build)
    os.utime(image.with_name(f"{image.name}.wanted"), (wanted, wanted))
    return image


def test_an_image_is_built_once_and_found_again_by_its_recipe(images: Path) -> None:
    def never(_work: Path, _lock: int) -> None:
        raise AssertionError("built twice")

    image = make("one")
    assert shelf.kept("bare", "one", never) == image
    assert (image / "etc/recipe").read_text() == "one"


def test_a_build_that_failed_leaves_nothing_that_looks_like_an_image(images: Path) -> None:
    def fail(work: Path, _lock: int) -> None:
        (work / "layer").mkdir()
        raise LabError("no mirror")

    with pytest.raises(LabError, match="cannot build the bare image from a Debian mirror: no mirror"):
        shelf.kept("bare", "one", fail)
    assert [path for path in images.iterdir() if path.is_dir()] == []


def test_images_nobody_wants_go_and_the_newest_of_each_kind_stays_however_old(images: Path) -> None:
    make("one", LONG_AGO - 30)
    make("two", LONG_AGO)
    far = make("far", LONG_AGO - 60, kind="far-side")
    newest = make("three", LONG_AGO + 1)
    shelf.prune(NOW)
    assert sorted(images.iterdir()) == sorted(
        [far, far.with_name(f"{far.name}.wanted"), newest, newest.with_name(f"{newest.name}.wanted")]
    )


def test_an_older_image_that_another_checkout_used_lately_stays(images: Path) -> None:
    older, newer = make("one", NOW - 3600), make("two")
    assert shelf.prune(NOW) == []
    assert older.is_dir()
    assert newer.is_dir()


def test_an_image_under_a_host_stays_until_the_host_has_ended(images: Path) -> None:
    image = make("one", LONG_AGO)
    make("two")
    code = "import sys; sys.stdout.write('up\\n'); sys.stdout.flush(); sys.stdin.read()"
    with shelf.held([image]) as locks:
        host = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=locks
        )
    assert host.stdout is not None
    host.stdout.readline()
    assert shelf.prune(NOW) == []
    host.kill()
    host.communicate()
    assert shelf.prune(NOW) == [image]
    assert not image.exists()


def test_an_image_kept_before_images_were_dropped_counts_from_its_own_time(images: Path) -> None:
    old = make("one")
    old.with_name(f"{old.name}.wanted").unlink()
    make("two", NOW + 3600)
    assert shelf.prune(old.stat().st_mtime + shelf.UNWANTED_AFTER - 1) == []
    assert shelf.prune(old.stat().st_mtime + shelf.UNWANTED_AFTER + 1) == [old]


def test_a_drop_that_was_killed_half_way_is_finished_by_the_next(images: Path) -> None:
    make("one", LONG_AGO)
    make("two")
    (images / "going/etc").mkdir(parents=True)
    shelf.prune(NOW)
    assert not (images / "going").exists()


def test_a_host_on_an_image_that_is_gone_says_so_in_one_line(images: Path) -> None:
    with (
        pytest.raises(LabError, match=r"the image .*bare-x is gone; `outreach lab down`, then `up`"),
        shelf.held([images / "bare-x"]),
    ):
        pass
