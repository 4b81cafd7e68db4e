"""DNS block lists: which are asked, how, and what their answers mean (RFC 5782). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address, ip_network

from status.facts import Answer

QUORUM = 2
"""Votes that make a listing: one small list errs too often to stop a host for it."""

_LISTED = ip_network("127.0.0.0/8")
_ERRORS = ip_network("127.255.255.0/24")
_ERROR_WORDS = {
    "127.255.255.252": "the zone's name is wrong",
    "127.255.255.254": "it refuses questions through a public or shared resolver",
    "127.255.255.255": "it refuses so many questions",
}
_SPAMHAUS = {
    "127.0.0.2": "SBL",
    "127.0.0.3": "CSS",
    **{f"127.0.0.{code}": "XBL" for code in range(4, 8)},
    "127.0.0.9": "DROP",
    **{f"127.0.0.{code}": "PBL" for code in (10, 11)},
}


@dataclass(frozen=True)
class BlockList:
    """A list that answers by DNS.

    Args:
        name: as it is shown; the zone may hold a key.
        zone: below which it answers.
        votes: how much its listing counts, see `QUORUM`.
        domains: it lists domains; else IPv4 addresses.
        listed: what it always lists, as a proof that it answers us (RFC 5782 section 5).
        clean: what it never lists, as a proof that it does not list everything.
        words: what its codes mean.
    """

    name: str
    zone: str = field(repr=False)
    votes: int = 1
    domains: bool = False
    listed: str = "127.0.0.2"
    clean: str = "127.0.0.1"
    words: Mapping[str, str] = field(default_factory=dict, repr=False)

    def question(self, what: str) -> str:
        """The name to ask for an address or a domain."""
        subject = what if self.domains else ".".join(reversed(what.split(".")))
        return f"{subject}.{self.zone}"


DEFAULTS = ("bl.spamcop.net", "b.barracudacentral.org", "psbl.surriel.com")
"""Lists of addresses that may be asked without a contract."""


def lists(zones: Sequence[str], key: str) -> tuple[BlockList, ...]:
    """The lists to ask.

    Args:
        zones: lists of addresses, `zone` or `zone=votes`.
        key: of Spamhaus' Data Query Service. Without one Spamhaus is not asked: its public mirrors refuse
            most resolvers and are not for commercial use.

    Raises:
        ValueError: a zone's votes are no number.
    """
    found = []
    for word in zones:
        zone, _, votes = word.partition("=")
        if votes and not votes.isdecimal():
            raise ValueError(f"block list {word!r}: give ZONE or ZONE=VOTES")
        found.append(BlockList(zone.strip("."), zone.strip("."), int(votes or 1)))
    if key:
        found.append(BlockList("zen.spamhaus.org", f"{key}.zen.dq.spamhaus.net", QUORUM, words=_SPAMHAUS))
        found.append(
            BlockList(
                "dbl.spamhaus.org", f"{key}.dbl.dq.spamhaus.net", QUORUM, True, "dbltest.com", "invalid"
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class Listing:
    """What a list says of one address or domain.

    Args:
        codes: its codes, with their meaning; empty if it does not list it.
        problem: why it says nothing: an error code is never a listing.
    """

    codes: tuple[str, ...] = ()
    problem: str = ""


def read(known: BlockList, answer: Answer) -> Listing:
    """Understand an answer."""
    if answer.problem:
        return Listing(problem=answer.problem)
    for value in answer.values:
        address = ip_address(value)
        if address in _ERRORS:
            return Listing(problem=f"{_ERROR_WORDS.get(value, 'it answers with an error')} ({value})")
        if address not in _LISTED or address == IPv4Address("127.0.0.1"):
            return Listing(problem=f"it answers {value}, which no list would")
    return Listing(
        tuple(f"{known.words[value]} {value}" if value in known.words else value for value in answer.values)
    )


def trusted(known: BlockList, listed: Answer, clean: Answer) -> str:
    """Why a list cannot be trusted now; empty if it can.

    Args:
        known: the list.
        listed: its answer for what it always lists.
        clean: its answer for what it never lists.
    """
    proof = read(known, listed)
    if proof.problem or not proof.codes:
        return proof.problem or f"it does not list {known.listed}, which every list does that answers us"
    denial = read(known, clean)
    if denial.codes or denial.problem:
        return denial.problem or f"it lists {known.clean}, which no list does"
    return ""
