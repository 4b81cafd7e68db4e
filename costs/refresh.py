"""Hetzner's own price list set beside a book's lines: what changed, and the book with those changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from costs.pricebook import Kind, Line, PriceBook
from costs.shapes import Result

ENDPOINT = "https://api.hetzner.cloud/v1"
PROVIDER = "hetzner"


class RefreshError(RuntimeError):
    """The price list could not be read; the message says why."""


class PriceChange(Result):
    """One price that differs.

    Args:
        id: the line's name in the book.
        kind: server or address.
        product: the provider's own name.
        before: the book's price; None if it had none.
        after: the listed price; None if the product is no longer listed.
        currency: ISO 4217 code of both.
    """

    id: str
    kind: Kind
    product: str
    before: str | None
    after: str | None
    currency: str


class Refresh(Result):
    """A price list beside a book.

    Args:
        book: the book's name.
        dated: the day the list was read.
        currency: of the list: that of the project whose token read it.
        location: whose prices were taken.
        listed: how many prices it has.
        changes: those that differ from the book's.
    """

    book: str
    dated: str
    currency: str
    location: str
    listed: int
    changes: tuple[PriceChange, ...]


def fetch_pricing(token: str, endpoint: str = ENDPOINT) -> Mapping[str, Any]:
    """Read Hetzner's price list (`GET /pricing`).

    Args:
        token: of any project; the list is in that project's currency.
        endpoint: base URL of the API, with its version.

    Raises:
        RefreshError: the API cannot be reached, refuses the token, or answers something else.
    """
    import requests  # noqa: PLC0415 - only this command needs it and the SDK
    from hcloud import APIException, Client  # noqa: PLC0415

    try:
        answer = Client(token, endpoint, application_name="outreach").request("GET", "/pricing")
    except APIException as error:
        raise RefreshError(f"hetzner: pricing: {error}") from None
    except requests.RequestException as error:
        raise RefreshError(f"hetzner: pricing: {endpoint} cannot be read ({type(error).__name__})") from None
    pricing = answer.get("pricing") if isinstance(answer, dict) else None
    if not isinstance(pricing, dict):
        raise RefreshError(f"hetzner: pricing: {endpoint} answered without a price list")
    return pricing


def listed_lines(pricing: Mapping[str, Any], location: str, on: date) -> tuple[Line, ...]:
    """The price list as lines of a book: net prices of one location.

    Args:
        pricing: the body of `GET /pricing`.
        location: the location whose prices count.
        on: the day it was read.

    Raises:
        RefreshError: the list has no such location, or is not in the documented form.
    """
    try:
        currency = str(pricing["currency"])
        servers = [(Kind.SERVER, entry["name"], entry["prices"]) for entry in pricing["server_types"]]
        addresses = [
            (Kind.IPV4, "primary", entry["prices"])
            for entry in pricing["primary_ips"]
            if entry["type"] == "ipv4"
        ]
        lines = [
            _line(kind, name, Decimal(price["price_monthly"]["net"]), currency, location=location, on=on)
            for kind, name, prices in servers + addresses
            for price in prices
            if price["location"] == location
        ]
    except (KeyError, TypeError, InvalidOperation) as error:
        raise RefreshError(f"hetzner: pricing: the list is not in the documented form ({error!r})") from None
    if not lines:
        raise RefreshError(f"hetzner: pricing: no price for location {location!r}")
    return tuple(lines)


def refresh(book: PriceBook, listed: tuple[Line, ...], location: str, on: date) -> tuple[Refresh, PriceBook]:
    """Set listed prices beside a book's, and in it.

    Only the provider's servers and addresses in the list's currency are touched. A product that is no longer
    listed loses its line, so that its price is unknown rather than old.

    Args:
        book: the book as it is.
        listed: the price list's lines.
        location: whose prices they are.
        on: the day they were read.
    """
    currency = listed[0].currency
    had = {(line.kind, line.names[0]): line for line in book.lines if _theirs(line, currency)}
    has = {(line.kind, line.names[0]): line for line in listed}
    changes = tuple(_changes(had, has, currency))
    kept = [line for line in book.lines if not _theirs(line, currency)]
    taken = [old if (old := had.get(key)) and old.price == line.price else line for key, line in has.items()]
    report = Refresh(
        book=book.name,
        dated=on.isoformat(),
        currency=currency,
        location=location,
        listed=len(listed),
        changes=changes,
    )
    lines = sorted(taken, key=lambda line: (line.kind, line.id)) + kept
    return report, replace(book, dated=on, lines=tuple(lines)) if changes else book


def _changes(
    had: Mapping[tuple[Kind, str], Line], has: Mapping[tuple[Kind, str], Line], currency: str
) -> Iterator[PriceChange]:
    for key in sorted({*had, *has}):
        old, new = had.get(key), has.get(key)
        if old is None or new is None or old.price != new.price:
            line = old or has[key]
            yield PriceChange(
                id=line.id,
                kind=line.kind,
                product=line.names[0],
                before=f"{old.price:f}" if old else None,
                after=f"{new.price:f}" if new else None,
                currency=currency,
            )


def _theirs(line: Line, currency: str) -> bool:
    return (
        line.provider == PROVIDER
        and line.kind in {Kind.SERVER, Kind.IPV4}
        and line.currency == currency
        and line.term_months == 1
    )


def _line(kind: Kind, name: str, net: Decimal, currency: str, *, location: str, on: date) -> Line:
    product = f"{kind}-{PROVIDER}" if kind is Kind.IPV4 else f"{kind}-{PROVIDER}-{name.lower()}"
    return Line(
        id=f"{product}-{currency.lower()}",
        kind=kind,
        provider=PROVIDER,
        names=(name,),
        price=_short(net),
        currency=currency,
        period="month",
        tax="net of VAT",
        source=f"Hetzner Cloud API, GET /pricing, {on.isoformat()}",
        region=location,
    )


def _short(price: Decimal) -> str:
    """The listed price without the zeros its ten decimals end in, but with cents."""
    digits = f"{price.normalize():f}"
    return digits if len(digits.partition(".")[2]) >= 2 else f"{price:.2f}"
