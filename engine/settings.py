"""The two configuration files: the coordinator's and a node's. TOML; see docs/engine.md."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from engine.link import Link
from engine.manner import Manner
from engine.pace import Pace
from validator import ConfigError as ValidatorConfigError
from validator import Settings, load_config
from validator.settings import as_allowed, parse_endpoint

Times = TypeVar("Times", Pace, Manner)


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names file and key."""


@dataclass(frozen=True, slots=True)
class Coordination:
    """The coordinator's file.

    Attributes:
        database: libpq's connection string.
        link: NATS.
        pace: Times and sizes.
        resolver: Asked for the exchangers of domains before a list is cut; None: the system's.
        ask_dns: False: domains not yet known go to the shared queue.
    """

    database: str
    link: Link
    pace: Pace = field(default_factory=Pace)
    resolver: tuple[str, int] | None = None
    ask_dns: bool = True


@dataclass(frozen=True, slots=True)
class Working:
    """A node's file.

    Attributes:
        node: The node's name, as its NATS identity has it.
        link: NATS.
        validator: How to check.
        manner: Times and sizes.
    """

    node: str
    link: Link
    validator: Settings
    manner: Manner = field(default_factory=Manner)


def load_coordination(path: Path) -> Coordination:
    """Read the coordinator's file.

    Raises:
        ConfigError: in one line.
    """

    def build(data: dict[str, Any]) -> Coordination:
        resolver = data.pop("resolver", "")
        return Coordination(
            database=_text(data, "database"),
            link=_link(data),
            pace=_times(Pace(), data.pop("pace", {}), "pace"),
            resolver=parse_endpoint(resolver) if resolver else None,
            ask_dns=bool(data.pop("ask_dns", True)),
        )

    return _load(path, build)


def load_working(path: Path, environ: Mapping[str, str] | None = None) -> Working:
    """Read a node's file and the validator's file that it names.

    Raises:
        ConfigError: in one line.
    """
    variables = os.environ if environ is None else environ

    def build(data: dict[str, Any]) -> Working:
        settings = as_allowed(load_config(Path(_text(data, "validator"))), variables)
        return Working(
            node=_text(data, "node"),
            link=_link(data),
            validator=settings,
            manner=_times(Manner(), data.pop("manner", {}), "manner"),
        )

    return _load(path, build)


Built = TypeVar("Built", Coordination, Working)


def _load(path: Path, build: Callable[[dict[str, Any]], Built]) -> Built:
    try:
        data = tomllib.loads(path.read_text("utf-8"))
        built = build(data)
    except (ValidatorConfigError, ConfigError) as error:
        raise ConfigError(f"{path}: {error}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if data:
        raise ConfigError(f"{path}: unknown key {', '.join(sorted(data))}")
    return built


def _text(data: dict[str, Any], key: str) -> str:
    value = data.pop(key, None)
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{key} is missing")
    return value


def _link(data: dict[str, Any]) -> Link:
    link = Link(_text(data, "nats"), str(data.pop("seed", "")), str(data.pop("ca", "")))
    for path in (link.seed, link.ca):
        if path:
            Path(path).read_bytes()  # told now, not at the first reconnection
    return link


def _times(base: Times, data: object, table: str) -> Times:
    if not isinstance(data, dict):
        raise ConfigError(f"{table} is not a table")
    known = {item.name for item in fields(base)}
    for key, value in data.items():
        if key not in known:
            raise ConfigError(f"unknown key {table}.{key}")
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise ConfigError(f"{table}.{key} must be a number above 0")
    return replace(base, **data)
