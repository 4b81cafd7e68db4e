"""A price book says what it knows, from whom, and nothing else."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from costs import PriceBook, PriceBookError
from costs.money import Monthly
from costs.pricebook import BOOKS, Kind

SHIPPED = sorted(path.stem for path in BOOKS.glob("*.yaml"))


@pytest.mark.parametrize(
    ("book", "currency", "provider", "type_name", "price"),
    [
        ("seed", "USD", "hetzner", "cx33", "10"),
        ("seed", "USD", "hetzner", "CX31", "10"),
        ("seed", "USD", "contabo", "V153", "6"),
        ("current", "USD", "hetzner", "cx33", "9.99"),
        ("current", "EUR", "hetzner", "cx33", "8.49"),
        ("current", "USD", "contabo", "V153", "6.60"),
        ("current", "EUR", "contabo", "V153", "5.50"),
        ("current", "EUR", "hetzner", "ccx13", "42.99"),
    ],
)
def test_a_servers_price_is_the_books(
    book: str, currency: str, provider: str, type_name: str, price: str
) -> None:
    found = PriceBook.load(book, currency).server_monthly(provider, type_name)
    assert found == Monthly(Decimal(price), currency)


@pytest.mark.parametrize(
    ("provider", "type_name", "term"),
    [
        ("hetzner", "cx999", 1),
        ("contabo", "cx33", 1),
        ("contabo", "V153", 12),
        ("hetzner", "ccx13", 1),
    ],
    ids=["no such type", "another provider's", "another term", "another currency"],
)
def test_an_unknown_price_is_unknown_and_not_nothing(provider: str, type_name: str, term: int) -> None:
    assert PriceBook.load("current").server_monthly(provider, type_name, term) is None


def test_an_address_is_a_price_of_its_own() -> None:
    book = PriceBook.load("current")
    assert book.ipv4_monthly("hetzner") == Monthly(Decimal("0.60"), "USD")
    assert book.ipv4_monthly("contabo") == Monthly(Decimal(0), "USD")
    assert book.ipv4_monthly("elsewhere") is None


def test_a_domain_billed_yearly_costs_its_exact_twelfth() -> None:
    assert PriceBook.load("current").domain_monthly() == Monthly(Decimal("0.87"), "USD")


@pytest.mark.parametrize("name", SHIPPED)
def test_every_price_names_its_source_currency_tax_period_and_term(name: str) -> None:
    for line in PriceBook.load(name).lines:
        assert all((line.source, line.currency, line.tax, line.period, line.term_months)), line.id


def test_every_price_of_the_seed_quotes_its_line() -> None:
    assert all(line.quote for line in PriceBook.load("seed").lines)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_book_that_is_written_reads_the_same(name: str, tmp_path: Path) -> None:
    book = PriceBook.load(name)
    path = tmp_path / "book.yaml"
    path.write_text(book.to_yaml(), "utf-8")
    assert PriceBook.load(str(path)) == book


HEAD = 'name: mine\ndated: 2026-11-01\ncurrency: USD\ntax: net\nabout: "x"\n'
LINE = (
    '  - {id: a, kind: server, provider: hetzner, names: [cx33], price: "1", period: month, source: site}\n'
)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (HEAD + "lines:\n" + LINE.replace('"1"', "1.30"), "lines.0.price"),
        (HEAD + "lines:\n" + LINE.replace('"1"', '"-1"'), "lines.0.price"),
        (HEAD + "lines:\n" + LINE.replace("month", "fortnight"), "lines.0.period"),
        (HEAD + "lines:\n" + LINE.replace(", source: site", ""), "lines.0.source"),
        (HEAD + "lines:\n" + LINE.replace("kind: server", "kind: server, colour: red"), "lines.0.colour"),
        (HEAD + "lines:\n" + LINE + LINE.replace("id: a", "id: b"), "a and b both price hetzner cx33"),
        (HEAD + "lines: [", "is not YAML"),
        ("- just a list\n", "book.yaml"),
    ],
    ids=["inexact", "negative", "period", "no source", "unknown key", "twice", "not YAML", "not a book"],
)
def test_a_book_that_is_wrong_says_where_in_one_line(text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "book.yaml"
    path.write_text(text)
    with pytest.raises(PriceBookError) as caught:
        PriceBook.load(str(path))
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_book_that_does_not_exist_names_those_that_do() -> None:
    with pytest.raises(PriceBookError, match=r"no price book 'gold': give one of current, seed"):
        PriceBook.load("gold")


def test_a_currency_a_book_does_not_have_is_an_error() -> None:
    with pytest.raises(PriceBookError, match="has no price in CHF: it has EUR, USD"):
        PriceBook.load("current", "CHF")


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_looked_up_is_in_one_currency(name: str) -> None:
    book = PriceBook.load(name)
    assert {line.currency for kind in Kind for line in book.priced(kind)} == {book.currency}
