"""Price books: dated data files in which every price names its source, currency, tax, period and term.

A price that is not in the book is unknown (`None`), never 0. A book is read in one currency, so that two
currencies cannot meet in one sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from costs.money import Daily, Hourly, Money, Monthly, Once, Yearly

BOOKS = Path(__file__).parent / "books"

PERIODS: dict[str, type[Money]] = {kind.period: kind for kind in (Hourly, Daily, Monthly, Yearly, Once)}


class PriceBookError(ValueError):
    """A price book cannot be read; the message says which, where and why."""


class Kind(StrEnum):
    """What a price is for."""

    SERVER = "server"
    IPV4 = "ipv4"
    PROXY = "proxy"
    DOMAIN = "domain"
    SERVICE = "service"
    SEAT = "seat"
    SAAS = "saas"
    PEER_MAILBOX = "peer-mailbox"  # what others ask for one mailbox
    PEER_MAILS = "peer-mails"  # what a whole stack of others costs for 1,000 mails
    QUOTE = "quote"  # said in the source, but part of no budget: only the audit reads it


def _exact(value: object) -> object:
    if isinstance(value, (float, int)):
        raise ValueError(f"write the price in quotes, {str(value)!r}: an unquoted one is not exact")  # noqa: TRY004 - pydantic reports ValueErrors only
    return value


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Line(_Data):
    """One price, as one source states it."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    kind: Kind
    provider: str
    names: tuple[str, ...] = Field(min_length=1, description="The provider's own names of the product")
    price: Annotated[Decimal, BeforeValidator(_exact)] = Field(ge=0)
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217")
    period: Literal["hour", "day", "month", "year", "once"]
    term_months: int = Field(default=1, ge=1, description="Contract term the price asks for")
    tax: str = Field(description="Whether tax is in the price")
    source: str = Field(min_length=3)
    quote: str = Field(default="", description="The source's own words")
    note: str = ""
    region: str = Field(default="", description="Where the price holds; everywhere, if empty")
    domains_per_unit: int | None = Field(default=None, ge=1, description="One unit covers so many domains")
    default: bool = Field(default=True, description="Part of a budget unless left out")

    @property
    def money(self) -> Money:
        """The price in the period the source states."""
        return PERIODS[self.period](self.price, self.currency)

    @cached_property
    def monthly(self) -> Monthly:
        """The price for one month, exact.

        Raises:
            PriceBookError: the source states no price that has a month's meaning.
        """
        money = self.money
        if isinstance(money, Monthly):
            return money
        if isinstance(money, Yearly):
            return money.monthly()
        raise PriceBookError(f"{self.id} is priced per {self.period}: it has no monthly price")


class _File(_Data):
    name: str
    dated: date
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="The currency it is read in unless told")
    tax: str
    about: str
    lines: tuple[Line, ...]

    @model_validator(mode="before")
    @classmethod
    def _lines_inherit(cls, data: object) -> object:
        """A line states its currency and tax only where they differ from the book's."""
        if isinstance(data, dict) and isinstance(data.get("lines"), list):
            common = {key: data[key] for key in ("currency", "tax") if key in data}
            lines = [{**common, **line} if isinstance(line, dict) else line for line in data["lines"]]
            return {**data, "lines": lines}
        return data

    @model_validator(mode="after")
    def _each_price_once(self) -> Self:
        seen: dict[object, str] = {}
        for line in self.lines:
            for name in line.names:
                key = (line.kind, line.provider, name, line.term_months, line.currency)
                if key in seen:
                    raise ValueError(f"{seen[key]} and {line.id} both price {line.provider} {name}")
                seen[key] = line.id
        return self


@dataclass(frozen=True)
class PriceBook:
    """A dated set of prices, read in one currency.

    Args:
        name: the book's own name, `seed` or `current` among the shipped ones.
        dated: the day it was put together.
        currency: ISO 4217 code of every price that is looked up in it.
        tax: what the book says about tax, for all its lines.
        about: one sentence on where it comes from.
        lines: every price, those in other currencies included.
    """

    name: str
    dated: date
    currency: str
    tax: str
    about: str
    lines: tuple[Line, ...]

    @classmethod
    def load(cls, name: str, currency: str | None = None) -> Self:
        """Read a shipped book by its name, or any by the path of its YAML file.

        Args:
            name: `seed`, `current`, or a path that ends in `.yaml`.
            currency: read it in this currency; without it, in the book's own.

        Raises:
            PriceBookError: there is no such book, or it is not a valid one.
        """
        path = Path(name) if name.endswith((".yaml", ".yml")) else BOOKS / f"{name}.yaml"
        if not path.is_file():
            shipped = ", ".join(sorted(book.stem for book in BOOKS.glob("*.yaml")))
            raise PriceBookError(
                f"no price book {name!r}: give one of {shipped}, or the path of a .yaml file"
            )
        try:
            data = yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)
            book = _File.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise PriceBookError(f"{path}: {where}: {first['msg']}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise PriceBookError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
        read_in = currency or book.currency
        if not any(line.currency == read_in for line in book.lines):
            known = ", ".join(sorted({line.currency for line in book.lines}))
            raise PriceBookError(f"price book {name!r} has no price in {read_in}: it has {known}")
        return cls(book.name, book.dated, read_in, book.tax, book.about, book.lines)

    def priced(self, kind: Kind) -> Iterator[Line]:
        """Every line of one kind in the book's currency."""
        return iter(self._by_kind.get(kind, ()))

    @cached_property
    def _by_kind(self) -> Mapping[Kind, list[Line]]:
        found: dict[Kind, list[Line]] = {}
        for line in self.lines:
            if line.currency == self.currency:
                found.setdefault(line.kind, []).append(line)
        return found

    def find(
        self, kind: Kind, name: str, provider: str | None = None, term_months: int | None = None
    ) -> Line | None:
        """The line that prices a product, or None where its price is unknown.

        Args:
            kind: what is priced.
            name: the provider's own name of it.
            provider: who sells it; without it, whoever does.
            term_months: contract term in months; without it, any.
        """
        for line in self.priced(kind):
            if name not in line.names or provider not in {None, line.provider}:
                continue
            if term_months in {None, line.term_months}:
                return line
        return None

    def server_monthly(self, provider: str, type: str, term_months: int = 1) -> Monthly | None:  # noqa: A002 - the provider's word
        """What a server costs a month, without its IPv4; None where that is unknown.

        Args:
            provider: `hetzner` or `contabo`.
            type: the provider's own server type or product id.
            term_months: contract term in months.
        """
        line = self.find(Kind.SERVER, type, provider, term_months)
        return line.monthly if line else None

    def ipv4_monthly(self, provider: str) -> Monthly | None:
        """What a server's primary IPv4 costs a month on top, 0 if part of the plan; None where unknown."""
        line = self.find(Kind.IPV4, "primary", provider)
        return line.monthly if line else None

    def proxy_monthly(self, provider: str, kind: str) -> Monthly | None:
        """What one proxy costs a month; None where that is unknown."""
        line = self.find(Kind.PROXY, kind, provider)
        return line.monthly if line else None

    def domain_monthly(self) -> Monthly | None:
        """What one domain costs a month, the exact twelfth where it is billed yearly; None if unknown."""
        line = self.find(Kind.DOMAIN, "*")
        return line.monthly if line else None

    def to_yaml(self) -> str:
        """The book as a file that :meth:`load` reads again: the same text for the same book."""
        lines = []
        for line in self.lines:
            data = line.model_dump(mode="json", exclude_defaults=True)
            if data["tax"] == self.tax:
                del data["tax"]
            lines.append({**data, "price": f"{line.price:f}"})
        head = {
            "name": self.name,
            "dated": self.dated,
            "currency": self.currency,
            "tax": self.tax,
            "about": self.about,
            "lines": lines,
        }
        return yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=110)
