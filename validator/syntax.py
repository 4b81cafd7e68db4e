"""Is it an address at all: form, international parts, typo, flags. Pure."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import email_validator
from email_validator import EmailNotValidError, validate_email

# Names under reserved domains are refused by DNS, not by form: a lab lives in `.test` and `.example`.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

# The plain form nine addresses of ten have; everything else goes to email-validator, eight times slower.
# Shorter bounds than RFC 5321's, so that whatever passes here passes there.
PLAIN = re.compile(
    r"(?!.{255})(?=.{1,64}@)[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*"
    r"@(?:(?!..--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+(?!..--)[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z])?"
)
# RFC 5321 section 4.5.3.1.3 allows 256 octets for a path; longer input is not looked at twice.
LONGEST = 1024


class Address(NamedTuple):
    """A well-formed address.

    Attributes:
        text: Normalised, as it is asked in RCPT: A-label domain, local part as written.
        local: Local part.
        domain: Domain in A-labels, lower case.
        utf8: The local part needs SMTPUTF8 (RFC 6531).
    """

    text: str
    local: str
    domain: str
    utf8: bool = False


class SyntaxProblem(ValueError):
    """Not an address; the message is a sentence for people."""


def domain_of(address: str) -> str:
    """What stands behind the last `@`, in lower case, right or wrong; all of it without one."""
    return address.rpartition("@")[2].strip().lower()


def parse_address(raw: str) -> Address:
    """Read an address.

    Raises:
        SyntaxProblem: saying what is wrong.
    """
    text = raw.strip()
    if PLAIN.fullmatch(text):
        local, _, domain = text.rpartition("@")
        domain = domain.lower()
        return Address(f"{local}@{domain}", local, domain)
    if len(text) > LONGEST:
        raise SyntaxProblem(f"The address is {len(text):,} characters long; 254 are allowed.")
    if not text:
        raise SyntaxProblem("The address is empty.")
    if any(char < " " or char == "\x7f" for char in text):
        raise SyntaxProblem("The address has a control character in it.")
    return _parse_rare(text)


def _parse_rare(text: str) -> Address:
    try:
        found = validate_email(
            text, check_deliverability=False, allow_quoted_local=True, test_environment=True
        )
    except EmailNotValidError as error:
        raise SyntaxProblem(str(error)) from None
    except (UnicodeError, ValueError, IndexError) as error:  # the library's own trouble with hostile input
        raise SyntaxProblem(f"The address cannot be read: {error}.") from None
    domain = (found.ascii_domain or "").lower()
    local = found.local_part
    utf8 = not local.isascii()
    if any(char < " " or char == "\x7f" for char in local + domain) or "<" in local or ">" in local:
        raise SyntaxProblem("The local part has characters that no mail command can carry.")
    return Address(f"{local}@{domain}", local, domain, utf8)


@dataclass(frozen=True, slots=True)
class Lists:
    """Known domains and local parts."""

    free: frozenset[str]
    disposable: frozenset[str]
    role: frozenset[str]


@lru_cache(maxsize=1)
def shipped_lists() -> Lists:
    """The lists of `lists.toml`, and the throw-away domains that others gather."""
    from disposable_email_domains import blocklist  # noqa: PLC0415 - ten thousand names, only for who flags

    data = tomllib.loads(files("validator").joinpath("lists.toml").read_text("utf-8"))
    free, disposable, role = (frozenset(data[name].split()) for name in ("free", "disposable", "role"))
    return Lists(free, (disposable | blocklist) - free, role)


def is_role(local: str) -> bool:
    """A function's mailbox (info@, sales@), not a person's."""
    return local.lower().partition("+")[0] in shipped_lists().role


@lru_cache(maxsize=1024)
def known_kind(domain: str) -> tuple[bool, bool]:
    """Whether it is a throw-away domain, and whether a free provider's."""
    lists = shipped_lists()
    return is_disposable(domain, lists), domain in lists.free


def is_disposable(domain: str, lists: Lists) -> bool:
    """A throw-away domain, or a name under one."""
    if domain in lists.disposable:
        return True
    _, _, parent = domain.partition(".")
    return "." in parent and parent in lists.disposable


TYPO_TARGETS = """
gmail.com yahoo.com hotmail.com outlook.com icloud.com aol.com live.com msn.com ymail.com googlemail.com
protonmail.com proton.me yahoo.co.uk hotmail.co.uk hotmail.fr orange.fr wanadoo.fr free.fr laposte.net gmx.de
gmx.net web.de t-online.de mail.ru yandex.ru comcast.net verizon.net att.net sbcglobal.net bellsouth.net
cox.net libero.it me.com
""".split()  # noqa: SIM905 - a list to be read and edited by people


@lru_cache(maxsize=1024)
def suggest_domain(domain: str) -> str:
    """A well-known domain one slip of the finger away (a letter more, less, wrong or swapped), or nothing."""
    if domain in TYPO_TARGETS or domain in shipped_lists().free:
        return ""
    slips = _slips()
    for shorter in (domain, *_one_letter_less(domain)):
        found = slips.get(shorter)
        if found is not None:
            return found
    return ""


@lru_cache(maxsize=1)
def _slips() -> dict[str, str]:
    """Each target and each of its forms with one letter less: two words one slip apart share such a form."""
    return {form: target for target in reversed(TYPO_TARGETS) for form in (target, *_one_letter_less(target))}


def _one_letter_less(word: str) -> list[str]:
    if len(word) < 7:  # short names are neighbours of too many others
        return []
    return [word[:i] + word[i + 1 :] for i in range(len(word))]
