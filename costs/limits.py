"""What bounds a fleet: figures with their sources, and what a server of each type can carry."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

FILE = Path(__file__).parent / "limits.yaml"

Certainty = Literal["documented", "measured", "quoted", "reported", "assumed", "given", "unknown"]
"""How sure a figure is; `given` in the fleet file or on the command line."""


class LimitsError(ValueError):
    """A figure was given that does not exist or is no positive number."""


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Figure(_Data):
    """One figure, its unit, its source and how sure it is."""

    value: Annotated[Decimal, BeforeValidator(str)] = Field(gt=0)
    unit: str
    certainty: Certainty
    source: str


class RampStage(_Data):
    """From which day on a new address may send how many mails a day."""

    from_day: int
    mails: int


class ServerType(_Data):
    """What a server can carry; None where that is not known.

    Args:
        memory_gb: memory in GB.
        disk_gb: disk in GB.
        traffic_tb: outgoing traffic a month in TB.
        port_mbit: speed of its port in Mbit/s.
        mails_per_minute: name of the figure that says how many mails a minute the provider lets through.
    """

    memory_gb: int | None = None
    disk_gb: int | None = None
    traffic_tb: int | None = None
    port_mbit: int | None = None
    mails_per_minute: str | None = None


class Limits(_Data):
    """Everything that bounds a fleet beside its own file."""

    figures: dict[str, Figure]
    address_ramp: tuple[RampStage, ...]
    address_ramp_source: str
    types: dict[str, dict[str, ServerType]]

    def __getitem__(self, name: str) -> Decimal:
        """A figure's value."""
        return self.figures[name].value

    def server(self, provider: str, name: str) -> ServerType:
        """What a server type can carry: nothing known, if it is not known itself."""
        return self.types.get(provider, {}).get(name, ServerType())

    def ramp(self, day: int) -> int:
        """Mails a day that published ramps allow a new address on a day, 1 being the first."""
        return [stage.mails for stage in self.address_ramp if stage.from_day <= day][-1]

    def assuming(self, given: Mapping[str, str]) -> Self:
        """The same with some figures replaced.

        Args:
            given: new values by the figures' names.

        Raises:
            LimitsError: there is no such figure, or the value is no positive number.
        """
        figures = dict(self.figures)
        for name, text in given.items():
            if name not in figures:
                raise LimitsError(f"no figure {name!r} to assume: it is one of {', '.join(sorted(figures))}")
            try:
                value = Decimal(text)
            except InvalidOperation:
                value = Decimal(0)
            if not (value.is_finite() and value > 0):
                raise LimitsError(f"{name}={text}: a positive number is wanted, in {figures[name].unit}")
            figures[name] = figures[name].model_copy(
                update={"value": value, "certainty": "given", "source": "given for this run"}
            )
        return self.model_copy(update={"figures": figures})


@cache
def limits() -> Limits:
    """The limits as shipped."""
    return Limits.model_validate(yaml.load(FILE.read_text("utf-8"), Loader=yaml.CSafeLoader))
