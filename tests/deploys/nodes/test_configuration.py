"""What a host has against what it should have: a table, and what is said of it."""

from dataclasses import replace

import pytest

from deploys.operations.configuration import (
    Activation,
    File,
    FileState,
    Observed,
    Service,
    compare,
    describe,
    parse_observed,
    reason,
)

MAIN = File("/etc/demo/main.cf", "a = 1\nb = 2\nc = 3\n")
USERS = File("/etc/demo/users", "ann:hash\n", mode=0o640, group="demo", secret=True)
UNIT = File("/etc/systemd/system/demo.service.d/x.conf", "[Service]\n")
DEMO = Service(
    name="demo",
    files=(MAIN, USERS, UNIT),
    reload="reload",
    restart="restart",
    unit="demo",
    restart_for=frozenset({UNIT.path}),
)
CONVERGED = Observed(
    files={file.path: file.state for file in DEMO.files}, applied=DEMO.digest, active=True, enabled=True
)


def having(**files: FileState | None) -> Observed:
    changed = {"main": MAIN.path, "users": USERS.path, "unit": UNIT.path}
    states = {**CONVERGED.files, **{changed[name]: state for name, state in files.items() if state}}
    for name, state in files.items():
        if state is None:
            del states[changed[name]]
    return replace(CONVERGED, files=states)


def other(file: File) -> FileState:
    return replace(file.state, digest="0" * 64)


@pytest.mark.parametrize(
    ("observed", "changed", "activation", "said"),
    [
        (CONVERGED, [], None, []),
        (having(main=other(MAIN)), [MAIN], "reload", ["content changes"]),
        (having(unit=other(UNIT)), [UNIT], "restart", ["content changes"]),
        (having(main=None), [MAIN], "reload", ["new file /etc/demo/main.cf (0644 root:root)"]),
        (
            having(users=replace(USERS.state, mode=0o644)),
            [USERS],
            "reload",
            ["0644 root:demo -> 0640 root:demo"],
        ),
        (
            having(users=replace(USERS.state, owner="eve")),
            [USERS],
            "reload",
            ["0640 eve:demo -> 0640 root:demo"],
        ),
        (having(main=replace(MAIN.state, digest=None)), [MAIN], "reload", ["becomes a regular file"]),
        (replace(CONVERGED, active=False), [], "restart", ["start demo, which does not run"]),
        (replace(CONVERGED, enabled=False), [], "reload", ["enable demo at boot"]),
        (replace(CONVERGED, applied="else"), [], "reload", ["take up the files already in place"]),
        (replace(CONVERGED, applied=None), [], "restart", ["take up the files already in place"]),
        (Observed({}), [MAIN, USERS, UNIT], "restart", ["new file"] * 3 + ["enable demo at boot"]),
        (replace(CONVERGED, active=False, runnable=False), [], None, []),
    ],
)
def test_only_what_differs_is_changed_and_each_difference_is_said(
    observed: Observed, changed: list[File], activation: str | None, said: list[str]
) -> None:
    difference = compare(DEMO, observed)
    assert list(difference.changed) == changed
    assert difference.activation == (Activation(activation) if activation else None)
    lines = describe(DEMO, difference, observed, {})
    assert len(lines) == len(said)
    assert all(text in line for text, line in zip(said, lines, strict=True))


def test_a_change_is_shown_as_a_unified_diff() -> None:
    observed = having(main=other(MAIN))
    (entry,) = describe(DEMO, compare(DEMO, observed), observed, {MAIN.path: "a = 1\nb = 0\nc = 3\n"})
    assert "-b = 0" in entry.splitlines()
    assert "+b = 2" in entry.splitlines()


def test_a_secret_file_says_only_that_its_content_changes() -> None:
    observed = having(users=other(USERS))
    (entry,) = describe(DEMO, compare(DEMO, observed), observed, {USERS.path: "ann:oldhash\n"})
    assert entry == "demo: /etc/demo/users: content changes"


def test_no_content_is_in_what_python_prints_of_a_service() -> None:
    service = replace(DEMO, health="login with password")
    assert "hash" not in repr(service)
    assert "password" not in repr(service)


def test_a_file_outside_etc_is_refused_because_no_validator_would_see_it() -> None:
    with pytest.raises(ValueError, match="below /etc"):
        File("/root/.ssh/authorized_keys", "")


def test_an_attribute_alone_changes_the_digest_of_a_service() -> None:
    assert replace(DEMO, files=(replace(MAIN, mode=0o600), USERS, UNIT)).digest != DEMO.digest


def test_a_hosts_answer_is_read_with_links_conditions_and_session() -> None:
    observed = parse_observed(
        [
            "stat 644 root root regular file /etc/demo/main.cf",
            "stat 640 root demo regular empty file /etc/demo/a b",
            "stat 777 root root symbolic link /etc/resolv.conf",
            f"sum {'1' * 64}  /etc/demo/main.cf",
            f"sum {'2' * 64}  /etc/demo/a b",
            f"sum {'3' * 64}  /etc/resolv.conf",
            "applied abc",
            "peer 198.18.0.1",
            "ActiveState=inactive",
            "UnitFileState=enabled",
            "ConditionResult=no",
            "ConditionTimestampMonotonic=12",
            "login publickey ssh-ed25519 AAAA",
        ]
    )
    assert observed.files == {
        "/etc/demo/main.cf": FileState(0o644, "root", "root", "1" * 64),
        "/etc/demo/a b": FileState(0o640, "root", "demo", "2" * 64),
        "/etc/resolv.conf": FileState(0o777, "root", "root", None),
    }
    assert (observed.applied, observed.peer, observed.login) == ("abc", "198.18.0.1", "AAAA")
    assert (observed.active, observed.enabled, observed.runnable) == (False, True, False)


def test_a_unit_that_systemd_has_not_tried_yet_is_runnable() -> None:
    untried = [
        "ActiveState=inactive",
        "UnitFileState=",
        "ConditionResult=no",
        "ConditionTimestampMonotonic=0",
    ]
    observed = parse_observed([*untried, "applied ", "peer "])
    assert observed == Observed({}, runnable=True)


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (
            ["reading x", "x: line 3: Bad configuration option: Bogus", "terminating, 1 bad"],
            "Bad configuration",
        ),
        (["error: port 25 closed the connection"], "port 25 closed the connection"),
        (["nothing telling", "the last line"], "the last line"),
        ([], "it said nothing"),
        (["error: no greeting", "--", "started", "fatal: bad level"], "no greeting (fatal: bad level)"),
        (["error: no greeting", "--", "started"], "no greeting"),
        (["--", "started", "fatal: x"], "it said nothing (fatal: x)"),
    ],
)
def test_a_failure_is_told_in_the_line_that_tells_most(output: list[str], line: str) -> None:
    assert line in reason(output)
    assert "\n" not in reason(output)
