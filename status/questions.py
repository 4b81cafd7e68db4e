"""DNS questions of one run: each asked once, whoever needs the answer, and a failure is an answer too."""

from __future__ import annotations

from concurrent.futures import Future
from ipaddress import ip_address
from threading import Lock

import dns.exception
import dns.rdatatype
import dns.resolver
import dns.reversename
from dns.rdata import Rdata

from status.facts import Answer

LIFETIME = 6.0
"""Seconds for one question, over all name servers and repetitions."""


class Questions:
    """A resolver with a memory for one run. Any number of threads may ask.

    Args:
        resolver: whom to ask; it should be near, and validate.
    """

    def __init__(self, resolver: dns.resolver.Resolver) -> None:
        self._resolver = resolver
        self._known: dict[tuple[str, str], Future[Answer]] = {}
        self._lock = Lock()

    def ask(self, name: str, kind: str) -> Answer:
        """The answer to one question.

        Args:
            name: absolute, the last dot may be left out.
            kind: the record type, in capitals.
        """
        key = (name.rstrip(".").lower(), kind)
        with self._lock:
            known = self._known.get(key)
            if known is None:
                mine = self._known[key] = Future()
        if known is not None:
            return known.result()
        try:
            mine.set_result(self._ask(*key))
        except BaseException as error:
            mine.set_exception(error)
            raise
        return mine.result()

    def names_of(self, ipv4: str) -> Answer:
        """The names that an address points back to."""
        return self.ask(str(dns.reversename.from_address(ipv4)), "PTR")

    @property
    def problem(self) -> str:
        """Why the resolver is of no use, on one line; empty if it answers for the root."""
        return self.ask(".", "NS").problem

    def _ask(self, name: str, kind: str) -> Answer:
        try:
            found = self._resolver.resolve(
                f"{name}.", kind, raise_on_no_answer=False, search=False, lifetime=LIFETIME
            )
        except dns.resolver.NXDOMAIN:
            return Answer()
        except dns.exception.Timeout:
            return Answer(problem="the resolver did not answer in time")
        # Their own words are left out: they repeat the question, which may hold a key.
        except dns.resolver.NoNameservers:
            return Answer(problem="it cannot be resolved (SERVFAIL or refused)")
        except (dns.exception.DNSException, OSError) as error:
            return Answer(problem=f"it cannot be asked ({type(error).__name__})")
        return Answer(tuple(sorted(_text(record) for record in found.rrset or ())))


def questions_of(resolver: str | None) -> Questions:
    """Questions to this machine's resolver, or to the one at an address.

    Raises:
        ValueError: that is no address; one line.
        dns.exception.DNSException: this machine names no resolver.
    """
    if resolver is None:
        return Questions(dns.resolver.Resolver())
    found = dns.resolver.Resolver(configure=False)
    try:
        found.nameservers = [str(ip_address(resolver))]
    except ValueError:
        raise ValueError(f"--resolver: {resolver} is not an address of a resolver") from None
    return Questions(found)


def _text(record: Rdata) -> str:
    """A record's value; see :class:`status.facts.Answer`."""
    if record.rdtype == dns.rdatatype.TXT:
        return b"".join(record.strings).decode("utf-8", "replace")  # type: ignore[attr-defined] # of TXT only
    text = record.to_text()
    return text.rstrip(".").lower() if record.rdtype != dns.rdatatype.NS or text != "." else text
