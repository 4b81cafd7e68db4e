"""Read a fleet file: one clear line for everything that is wrong with it, a :class:`Fleet` if nothing is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from inventory import document
from inventory.checks import check
from inventory.explain import explain
from inventory.keys import read_keys
from inventory.model import Fleet
from inventory.problems import FieldPath, Finding, FleetError, Problem, field_name


def load_fleet(path: Path, environ: Mapping[str, str] | None = None) -> Fleet:
    """Read, validate and cross-check a fleet file.

    `operators.ssh_keys` of the result holds the keys themselves: `.pub` files it names are read, relative to
    the fleet file, and where it names none, it is the public half of the key in ``OUTREACH_SSH_KEY``. It is
    empty only if that variable is unset too.

    Args:
        path: the fleet file; problems name it as given.
        environ: instead of the process's environment.

    Raises:
        FleetError: with every problem found, in the order of the file.
    """
    text = _read(path)
    try:
        data = document.parse(text)
    except document.SyntaxProblem as problem:
        raise FleetError([Problem(str(path), problem.line, "", problem.wrong, problem.right)]) from None
    try:
        fleet = Fleet.model_validate(data)
    except ValidationError as error:
        raise _located(path, text, explain(error)) from None
    keys, findings = read_keys(
        fleet.operators.ssh_keys, path.parent, os.environ if environ is None else environ
    )
    findings += check(fleet)
    if findings:
        raise _located(path, text, findings)
    operators = fleet.operators.model_copy(update={"ssh_keys": keys})
    return fleet.model_copy(update={"operators": operators})


def _read(path: Path) -> str:
    def problem(line: int, wrong: str, right: str) -> FleetError:
        return FleetError([Problem(str(path), line, "", wrong, right)])

    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise problem(0, "no such file", "name the fleet file, or write one after fleet.yaml") from None
    except OSError as error:
        raise problem(0, f"cannot be read ({error.strerror})", "name a readable file") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise problem(
            line, f"the byte {content[error.start]:#04x} is not UTF-8", "save the file as UTF-8"
        ) from None


def _located(path: Path, text: str, findings: Iterable[Finding]) -> FleetError:
    """Give each finding its line: that of its value, or of the nearest block around it that exists."""
    known = document.lines(text)

    def line(field: FieldPath) -> int:
        while field and field not in known:
            field = field[:-1]
        return known.get(field, 1)

    problems = [
        Problem(str(path), line(found.path), field_name(found.path), found.wrong, found.right)
        for found in findings
    ]
    return FleetError(sorted(problems, key=lambda problem: problem.line))
