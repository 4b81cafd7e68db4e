"""Fuzz by atheris all that a stranger's bytes reach: `python -m tests.validator.fuzz -max_total_time=60`."""

from __future__ import annotations

import contextlib
import sys

import atheris

with atheris.instrument_imports():
    from validator import parse_text, wire
    from validator.classify import classify
    from validator.smtp import Dialogue, ProtocolError
    from validator.syntax import SyntaxProblem, parse_address


def one(data: bytes) -> None:
    """One input, to all readers."""
    classify(parse_text(data.decode("latin-1")), address="joe@example.com")
    dialogue = Dialogue()
    with contextlib.suppress(ProtocolError):
        dialogue.feed(data)
    with contextlib.suppress(wire.WireError):
        wire.parse(data, "example.com", wire.MX)
    with contextlib.suppress(SyntaxProblem):
        address = parse_address(data.decode("utf-8", "surrogateescape"))
        ready = Dialogue()
        ready.feed(b"220 x\r\n")
        ready.ehlo("x.test")
        ready.feed(b"250 x\r\n")
        ready.mail("a@x.test")
        with contextlib.suppress(ProtocolError):
            command = ready.rcpt(address.text)
            if command.count(b"\r") != 1 or command.count(b"\n") != 1 or not command.endswith(b"\r\n"):
                raise AssertionError(command)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
