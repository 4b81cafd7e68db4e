"""The `validator` command.

Exit codes: 0 done (check: every address is VALID; doctor: nothing is wrong); 1 an error, said in one line on
stderr; 2 wrong usage; 3 check: some address is not VALID, doctor: something is wrong; 130 stopped by Ctrl-C,
after which `bulk --resume` goes on.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

from cyclopts import App, Parameter

from validator.bulk import Bulk
from validator.client import Validator, at_once
from validator.dial import TcpConnector
from validator.display import for_people, live, say, summary
from validator.doctor import examine
from validator.explain import explained
from validator.options import Common
from validator.output import BulkError, Files
from validator.resolver import Resolver, system_resolver
from validator.rows import InputError
from validator.settings import ConfigError, Settings
from validator.status import Status, parse_stage

app = App(name="validator", help="Is this address real, and how do we know.", help_format="plaintext")
T = TypeVar("T")


@app.command
def check(
    *addresses: str,
    common: Common | None = None,
    json_: Annotated[bool, Parameter(name="--json", negative=())] = False,
    transcript: Annotated[bool, Parameter(negative=())] = False,
    wait: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Check addresses one by one.

    Args:
        addresses: Addresses to check.
        common: How to dial.
        json_: One JSON object a line.
        transcript: With every line of the session.
        wait: Come back to greylisting servers and wait for cool-downs.
    """
    with _one_line_errors():
        if not addresses:
            raise InputError("no address given")
        settings = replace((common or Common()).settings(), transcript=transcript)
        return run(_check(addresses, settings if wait else at_once(settings), as_json=json_))


async def _check(addresses: tuple[str, ...], settings: Settings, *, as_json: bool) -> int:
    worst = 0
    async with Validator(settings) as validator:
        tasks = [asyncio.create_task(validator.check(address)) for address in addresses]
        for task in tasks:
            verdict = await task
            worst = worst if verdict.valid else 3
            if as_json:
                say(json.dumps(verdict.to_dict(), ensure_ascii=True))
            else:
                say(for_people(verdict))
    return worst


@app.command
def explain(
    reply: str | None = None,
    /,
    *,
    mx: str = "",
    stage: str = "rcpt",
    address: str = "",
    jsonl: Annotated[bool, Parameter(negative=())] = False,
    json_: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Read one reply, or with --jsonl one per line of standard input, and say which rule did.

    Args:
        reply: The server's reply, e.g. '550 5.1.1 User unknown'.
        mx: Host that gave it.
        stage: Command it answers: banner, ehlo, mail, rcpt, data.
        address: Address that was asked about.
        jsonl: Read {"reply": ..., "mx": ..., "stage": ...} lines.
        json_: Print JSON.
    """
    with _one_line_errors():
        if jsonl:
            for line in sys.stdin.buffer:
                if line.strip():
                    say(json.dumps(_explain_line(line), ensure_ascii=True))
            return 0
        if reply is None:
            raise InputError("no reply given; give one, or --jsonl and lines on standard input")
        found = explained(reply, stage=parse_stage(stage), mx=mx, address=address)
        if json_:
            say(json.dumps(found, ensure_ascii=True))
        else:
            say(
                f"{found['label']} ({found['status']}, {found['reason']}), "
                f"confidence {found['confidence']:.2f}"
            )
            say(f"  {found['details']}")
            say(f"  rule {found['rule']}: {found['source']}")
        return 0


def _explain_line(line: bytes) -> dict[str, Any]:
    """One line in, one verdict out, whatever the line is: the order must hold."""
    try:
        asked = _json(line)
        if not isinstance(asked, dict) or not isinstance(asked.get("reply"), str):
            raise ValueError("no text under 'reply'")  # noqa: TRY004 - one kind of trouble for a bad line
        texts = {key: str(asked.get(key) or "") for key in ("mx", "stage", "address")}
        return explained(
            asked["reply"], stage=parse_stage(texts["stage"]), mx=texts["mx"], address=texts["address"]
        )
    except (ValueError, RecursionError) as error:
        unknown = Status.UNKNOWN
        return {
            "status": unknown.value,
            "label": unknown.label,
            "valid": False,
            "reason": "unreadable",
            "error": str(error),
        }


def _json(line: bytes) -> Any:
    """Old servers answer in Latin-1, and some logs keep their bytes."""
    try:
        return json.loads(line)
    except UnicodeDecodeError:
        return json.loads(line.decode("latin-1"))


@app.command
def bulk(
    source: Annotated[str, Parameter(name="IN", allow_leading_hyphen=True)],
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    common: Common | None = None,
    column: str = "",
    format_: Annotated[str, Parameter(name="--format")] = "",
    ordered: Annotated[bool, Parameter(negative=())] = False,
    resume: Annotated[bool, Parameter(negative=())] = False,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    json_: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Check a list.

    Args:
        source: txt, csv or jsonl file; - for standard input.
        output: csv or jsonl file; beside it a .state file until the run is complete.
        common: How to dial.
        column: Address column of a csv, key of a jsonl.
        format_: Input format if its name does not tell: txt, csv, jsonl.
        ordered: Results in the order of the input.
        resume: Go on after a run that was cut off.
        overwrite: Begin anew over an existing output.
        json_: Summary as JSON on standard output.
    """
    with _one_line_errors():
        if format_ not in ("", "txt", "csv", "jsonl"):
            raise InputError(f"format {format_!r} is not one of: txt, csv, jsonl")
        files = Files(source, output, format_, column, ordered, resume, overwrite)
        settings = (common or Common()).settings()
        began = time.monotonic()
        with live(source) as on_tick:
            progress = run(Bulk(settings, files, on_tick=on_tick).run())
        summary(progress, time.monotonic() - began, as_json=json_)
        if progress.stopped:
            _complain(f"stopped with {progress.done:,} done; go on with --resume")
            return 130
        return 0


@app.command
def doctor(
    *,
    common: Common | None = None,
    via: str = "gmail.com",
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Say whether this machine is in a state to ask: port 25, names, block lists, sender.

    Args:
        common: How to dial.
        via: A domain whose mail server is greeted to see whether the port is open.
        json_: Print JSON.
    """
    with _one_line_errors():
        settings = (common or Common()).settings()
        return run(_doctor(settings, via, as_json=json_))


async def _doctor(settings: Settings, via: str, *, as_json: bool) -> int:
    host, port = settings.resolver or system_resolver()
    dns = Resolver(host, port)
    try:
        findings = await examine(settings, dns, TcpConnector(settings.proxy), via=via)
    finally:
        dns.close()
    for item in findings:
        if as_json:
            say(json.dumps({"name": item.name, "ok": item.ok, "says": item.says, "advice": item.advice}))
        else:
            mark = {True: "ok  ", False: "BAD ", None: "?   "}[item.ok]
            say(f"{mark} {item.name} {item.says}{f' {item.advice}' if item.advice and not item.ok else ''}")
    return 0 if all(item.ok for item in findings) else 3


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop where it is installed (extra `fast`), else on asyncio."""
    # Sessions come and go without cycles; the collector's usual eagerness costs a fifth of the time.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except (BulkError, InputError, ConfigError, ValueError) as error:
        _fail(str(error))
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(1) from None
    except OSError as error:
        _fail(f"{error.filename or 'output'}: {error.strerror or error}")


def _fail(message: str) -> NoReturn:
    _complain(message)
    raise SystemExit(1)


def _complain(message: str) -> None:
    sys.stderr.write(f"validator: {message}\n")


def main() -> None:
    """Run the command line; the exit status is the command's return value."""
    app()
