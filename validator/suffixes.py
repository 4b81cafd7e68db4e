"""Where a registry's part of a host name ends: the public suffix list, read so that beginning costs little.

The library that brings the list makes its table in the time that a hundred addresses take to check, most of
it to spell the international names in ASCII. Here a host that has such a name is spelled out instead. The
tests hold this against the library, rule by rule.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files


def registered_domain(host: str) -> str:
    """The name that somebody registered, one label below the public suffix; the host itself if it is none.

    Args:
        host: Lower case, A-labels, without a final dot.
    """
    labels = host.split(".")
    public = _public_labels(_spelled(labels) if "xn--" in host else labels)
    return ".".join(labels[-public - 1 :]) if len(labels) > public and "" not in labels else host


def _public_labels(labels: list[str]) -> int:
    """How many labels at the end are the registry's: the longest rule decides; without one it is the last."""
    rules = _rules()
    name = ".".join(labels)
    for left in range(len(labels), 0, -1):
        more = rules.get(name)
        if more is not None:
            return min(left + more, len(labels))
        _, _, name = name.partition(".")
    return 1


def _spelled(labels: list[str]) -> list[str]:
    spelled = []
    for label in labels:
        try:
            spelled.append(label.encode("ascii").decode("idna") if label.startswith("xn--") else label)
        except UnicodeError:
            spelled.append(label)
    return spelled


@lru_cache(maxsize=1)
def _rules() -> dict[str, int]:
    """The rules of the list (publicsuffix.org/list) without their marks.

    For each the labels that are the registry's beyond its own: none; with `*.` one more, whatever it is; with
    `!`, an exception, one less.
    """
    lines = files("publicsuffixlist").joinpath("public_suffix_list.dat").read_text("utf-8").split("\n")
    rules = [line for line in lines if line and line[0] != "/"]
    found = dict.fromkeys(rules, 0)
    found.update({rule[2:]: 1 for rule in rules if rule[0] == "*"})
    found.update({rule[1:]: -1 for rule in rules if rule[0] == "!"})
    return found
