"""A lab comes up, goes down, and leaves nothing, however it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from lab import Lab, LabError, open_world
from tests.lab.conftest import traces, wait_for

NewLab = Callable[[str], Lab]


def start_up(lab: Lab, **environment: str) -> subprocess.Popen[bytes]:
    code = f"from pathlib import Path; from lab import Lab; Lab(Path({str(lab.state)!r})).up()"
    return subprocess.Popen([sys.executable, "-c", code], env={**os.environ, **environment})


def interfaces() -> set[str]:
    return set(os.listdir("/sys/class/net"))


@pytest.mark.lab
def test_down_leaves_no_process_mount_interface_namespace_group_or_file(new_lab: NewLab) -> None:
    lab = new_lab("one")
    before = traces(lab), interfaces()
    lab.up()
    lab.boot("n1", "198.18.2.10", [])
    during = traces(lab)
    lab.down()
    assert before[0] == []
    assert {"netns", "cgroup", "pid"} <= {
        word for line in during for word in ("netns", "cgroup", "pid") if word in line
    }
    assert (traces(lab), interfaces()) == before


@pytest.mark.lab
def test_up_again_keeps_what_runs(new_lab: NewLab) -> None:
    lab = new_lab("one")
    lab.up()
    lab.boot("n1", "198.18.2.10", [])
    secret = lab.environment()["OUTREACH_SECRET"]
    lab.up()
    assert lab.hosts.running("n1")
    assert lab.environment()["OUTREACH_SECRET"] == secret


REACHED: dict[str, Callable[[Lab], bool]] = {
    "nothing yet": lambda lab: lab.state.exists(),
    "the network": lambda lab: lab.network.exists(),
    "the package cache": lambda lab: lab.packages.running(),
    "its first host": lambda lab: lab.hosts.running("dns"),
    "a host half written": lambda lab: (lab.state / "hosts/mx").exists(),
    "all hosts": lambda lab: lab.hosts.running("stranger"),
    "the providers": lambda lab: lab.emulators.populated(),
}


@pytest.mark.lab
@pytest.mark.parametrize("point", REACHED)
def test_down_clears_what_an_up_left_that_was_killed_when_it_had_reached(point: str, new_lab: NewLab) -> None:
    lab = new_lab("one")
    manager = start_up(lab)
    wait_for(partial(REACHED[point], lab))
    manager.kill()
    manager.wait()
    assert traces(lab)
    lab.down()
    assert traces(lab) == []


@pytest.mark.lab
def test_up_after_a_killed_up_brings_a_whole_lab(new_lab: NewLab) -> None:
    lab = new_lab("one")
    manager = start_up(lab)
    wait_for(partial(lab.hosts.running, "dns"))
    manager.kill()
    manager.wait()
    lab.up()
    assert lab.is_up()


@pytest.mark.lab
def test_down_clears_an_image_build_that_lost_its_manager(new_lab: NewLab, tmp_path: Path) -> None:
    lab = new_lab("one")
    cache = tmp_path / "cache"
    manager = start_up(lab, OUTREACH_CACHE=str(cache))
    wait_for((cache / "images/part/layer/etc").exists)
    manager.kill()
    manager.wait()
    assert lab.cgroup.populated()
    lab.down()
    assert traces(lab) == []
    assert str(cache) not in Path("/proc/self/mounts").read_text()


@pytest.mark.lab
def test_down_ends_a_host_whose_nspawn_was_killed(new_lab: NewLab) -> None:
    lab = new_lab("one")
    lab.up()
    lab.boot("n1", "198.18.2.10", [])
    for pid in (lab.hosts.cgroup("n1").path / "supervisor/cgroup.procs").read_text().split():
        os.kill(int(pid), signal.SIGKILL)
    wait_for(lambda: not (lab.hosts.cgroup("n1").path / "supervisor/cgroup.procs").read_text())
    assert lab.hosts.running("n1"), "a guest outlives its nspawn; if no longer, this test proves nothing"
    lab.down()
    assert traces(lab) == []


@pytest.mark.lab
def test_labs_stand_side_by_side_and_end_one_by_one(new_lab: NewLab) -> None:
    one, two = new_lab("one"), new_lab("two")
    one.up()
    two.up()
    one.boot("n1", "198.18.2.10", [])
    two.boot("n1", "198.18.2.10", [])
    one.run("n1", ["touch", "/root/mark"])
    assert two.run("n1", ["ls", "/root"]).stdout == ""
    assert one.environment()["OUTREACH_SECRET"] != two.environment()["OUTREACH_SECRET"]
    one.down()
    assert traces(one) == []
    assert two.is_up()
    assert two.run("n1", ["hostname"]).stdout == "n1\n"


@pytest.mark.lab
def test_a_second_up_or_down_at_the_same_time_is_refused(new_lab: NewLab) -> None:
    lab = new_lab("one")
    manager = start_up(lab)
    wait_for(lab.network.exists)
    with pytest.raises(LabError, match="another `outreach lab` command is at work"):
        lab.down()
    assert manager.wait() == 0
    assert lab.is_up()


@pytest.mark.lab
def test_up_without_root_says_so(tmp_path: Path) -> None:
    os.seteuid(65534)
    try:
        with pytest.raises(LabError, match="needs root"):
            Lab(tmp_path / "one").up()
    finally:
        os.seteuid(0)


@pytest.mark.lab
def test_a_cold_cache_without_a_mirror_is_one_clear_line_and_leaves_nothing(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "OUTREACH_LAB": str(tmp_path / "lab"),
        "OUTREACH_CACHE": str(tmp_path / "cache"),
    }
    command: list[str | Path] = ["unshare", "--net", Path(sys.executable).with_name("outreach"), "lab", "up"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("outreach: cannot build the bare image from a Debian mirror: ")
    assert done.stderr.count("\n") == 1
    assert traces(Lab(tmp_path / "lab")) == []


def test_a_path_that_overlayfs_cannot_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="has a colon, comma, quote or backslash"):
        Lab(tmp_path / "a,b").up()


def test_a_world_is_opened_only_where_a_lab_is_up(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no lab is up at"):
        open_world(tmp_path / "one")
