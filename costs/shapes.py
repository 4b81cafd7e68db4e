"""How results look in JSON: one definition gives the value, its JSON and its schema."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, InstanceOf, PlainSerializer, WithJsonSchema

from costs.money import Monthly, Once, Yearly, round_half_up

MAIL_PLACES = 7
"""Decimals of the price of one mail: the first four are zeros."""


class Result(BaseModel):
    """A computed result: immutable, JSON by `model_dump(mode="json")`."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_mode_override="serialization")


def _digits(places: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": rf"^-?[0-9]+\.[0-9]{{{places}}}$"})


def _fixed(money: Monthly | Yearly) -> str:
    return money.fixed()


MonthlyCents = Annotated[InstanceOf[Monthly], PlainSerializer(_fixed), _digits(2)]
"""Money a month, in JSON a string with two decimals."""

YearlyCents = Annotated[InstanceOf[Yearly], PlainSerializer(_fixed), _digits(2)]
"""Money a year, in JSON a string with two decimals."""

PerThousand = Annotated[InstanceOf[Once], PlainSerializer(lambda money: money.fixed(4)), _digits(4)]
"""Money for 1,000 mails, in JSON a string with four decimals."""

MailPrice = Annotated[
    InstanceOf[Once], PlainSerializer(lambda money: money.fixed(MAIL_PLACES)), _digits(MAIL_PLACES)
]
"""Money for one mail, in JSON a string with seven decimals."""

Tenths = Annotated[Decimal, PlainSerializer(lambda number: f"{round_half_up(number, 1):f}"), _digits(1)]
"""A plain number, in JSON a string with one decimal: percents and ratios."""

Hundredths = Annotated[Decimal, PlainSerializer(lambda number: f"{round_half_up(number):f}"), _digits(2)]
"""A plain number, in JSON a string with two decimals: loads and limits."""

PerUnit = Annotated[InstanceOf[Monthly], PlainSerializer(lambda money: money.fixed(4)), _digits(4)]
"""Money a month for one account or the like, in JSON a string with four decimals."""
