"""SPF as a receiver evaluates it (RFC 7208), by pyspf, over the questions of this run."""

from __future__ import annotations

from typing import Any

import spf

from status.facts import Verdict
from status.questions import Questions


def evaluate(questions: Questions, address: str, sender: str, helo: str) -> Verdict:
    """What a receiver makes of mail from an address.

    Args:
        questions: whom to ask.
        address: IPv4 address of the sending host.
        sender: envelope sender; empty for a bounce, whose identity is the HELO name.
        helo: HELO name of the sending host.
    """
    try:
        result, _, says = _Evaluation(questions, address, sender, helo).check()
    except Exception as error:  # a record that nobody thought of must not cost the other hosts
        return Verdict("temperror", f"cannot be evaluated ({type(error).__name__}: {error})")
    return Verdict(str(result), str(says))


class _Evaluation(spf.query):  # type: ignore[misc] # pyspf has no types
    """An evaluation that asks us instead of a resolver of its own."""

    def __init__(self, questions: Questions, address: str, sender: str, helo: str) -> None:
        super().__init__(i=address, s=sender, h=helo)
        self._questions = questions

    def dns(
        self,
        name: str,
        qtype: str,
        cnames: Any = None,  # noqa: ARG002 - pyspf's signature; the resolver follows aliases itself
        ignore_void: bool = False,
    ) -> list[Any]:
        """The values of a name, in pyspf's shapes."""
        answer = self._questions.ask(str(name), qtype)
        if answer.problem:
            raise spf.TempError(f"{name}: {answer.problem}")
        if not answer.values and not ignore_void:
            self.void_lookups += 1
            if self.void_lookups > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError(f"more than {spf.MAX_VOID_LOOKUPS} look-ups find nothing")
        return [_shaped(qtype, value) for value in answer.values]


def _shaped(kind: str, value: str) -> object:
    if kind == "MX":
        preference, _, host = value.partition(" ")
        return (int(preference), host)
    return (value.encode(),) if kind in ("TXT", "SPF") else value
