"""Everything that can be set, from code or from a `--config` file."""

from __future__ import annotations

import ipaddress
import socket
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from validator.operators import Operators, default_operators
from validator.transport import Timeouts

ALLOW_PRIVATE = "OUTREACH_ALLOW_PRIVATE"
"""Environment variable of services: `1` lets them dial private addresses, as a lab's are; for labs only."""


class ConfigError(ValueError):
    """A setting that cannot be used; the message names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to check.

    Attributes:
        helo: Our name in EHLO: its A record and the source's PTR must agree with it.
        sender: Envelope sender: a real mailbox on a domain with MX and SPF.
        source_ips: Local addresses to dial from; empty for the system's choice.
        concurrency: Sessions at once, over all operators.
        rate_limit: Seconds between two recipients per operator and source.
        resolver: Host and port of the recursive resolver; None for the system's.
        smtp_port: Port of the exchangers.
        allow_private: Dial private and loopback addresses; for labs.
        starttls: Use TLS where offered.
        timeouts: Seconds per step.
        greylist_delays: Seconds before each return to a greylisting server; empty: no return.
        patience: Longest wait for a cool-down before an address is given up as THROTTLED, seconds.
        probe_consumer_microsoft: Ask outlook.com and hotmail.com although their policy forbids it.
        proxy: SOCKS5 URL; off by default, see `validator.dial.TcpConnector`.
        transcript: Keep the lines of each session.
        window: Addresses in hand at once when streaming.
        addresses_per_domain: Addresses of exchangers dialled before giving up.
        catch_all_ttl: Seconds a domain's catch-all answer is believed.
        operators: Budgets.
    """

    helo: str = ""
    sender: str = ""
    source_ips: tuple[str, ...] = ()
    concurrency: int = 200
    rate_limit: float = 2.0
    resolver: tuple[str, int] | None = None
    smtp_port: int = 25
    allow_private: bool = False
    starttls: bool = True
    timeouts: Timeouts = Timeouts()  # noqa: RUF009 - frozen
    greylist_delays: tuple[float, ...] = (300.0, 900.0, 3600.0)
    patience: float = 9000.0
    probe_consumer_microsoft: bool = False
    proxy: str = ""
    transcript: bool = False
    window: int = 10_000
    addresses_per_domain: int = 4
    catch_all_ttl: float = 86400.0
    operators: Operators = field(default_factory=default_operators, repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot work, fill what can be derived."""
        for ip in self.source_ips:
            try:
                ipaddress.ip_address(ip)
            except ValueError:
                raise ConfigError(f"source address {ip!r} is not an IP address") from None
        for name in ("concurrency", "window", "addresses_per_domain"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1")
        if self.rate_limit < 0:
            raise ConfigError("rate-limit must not be negative")
        for name in ("helo", "sender"):
            if any(char <= " " or char in "<>\x7f" for char in getattr(self, name)):
                raise ConfigError(f"{name} must have no blanks, brackets or control characters")
        helo = self.helo or socket.getfqdn()
        object.__setattr__(self, "helo", helo)
        object.__setattr__(self, "sender", self.sender or f"postmaster@{helo}")

    @property
    def sources(self) -> tuple[str, ...]:
        """Source addresses, or the single unnamed one."""
        return self.source_ips or ("",)


def parse_endpoint(text: str, default_port: int = 53) -> tuple[str, int]:
    """`IP`, `IP:PORT` or `[V6]:PORT`.

    Raises:
        ConfigError: for anything else.
    """
    host, port = text, str(default_port)
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        host, port = text.split(":")
    try:
        ipaddress.ip_address(host)
        if not 0 < int(port) < 65536:
            raise ValueError(port)
    except ValueError:
        raise ConfigError(f"{text!r} is not IP:PORT") from None
    return host, int(port)


def with_changes(base: Settings, changes: dict[str, Any]) -> Settings:
    """The settings with some replaced; a sender that was derived from the old name follows the new one."""
    if "helo" in changes and "sender" not in changes and base.sender == f"postmaster@{base.helo}":
        changes = {**changes, "sender": ""}
    return replace(base, **changes)


def as_allowed(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """The settings with what the environment allows besides: see `ALLOW_PRIVATE`."""
    return replace(settings, allow_private=True) if environ.get(ALLOW_PRIVATE) == "1" else settings


def load_config(path: Path, base: Settings | None = None) -> Settings:
    """Read a TOML file: keys are the attributes of `Settings`, `[timeouts]`, `[[operator]]` and `[[signal]]`.

    Raises:
        ConfigError: naming the file and the key.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    try:
        return with_changes(base or Settings(), _changes(data))
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{path}: {error}") from None


def _changes(data: dict[str, Any]) -> dict[str, Any]:
    known = {item.name for item in fields(Settings)} | {"operator", "signal"}
    unknown = set(data) - known
    if unknown:
        raise ConfigError(f"unknown key {', '.join(sorted(unknown))}")
    changes: dict[str, Any] = {key: value for key, value in data.items() if key not in ("operator", "signal")}
    if "timeouts" in changes:
        changes["timeouts"] = Timeouts(**changes["timeouts"])
    if "resolver" in changes:
        changes["resolver"] = parse_endpoint(changes["resolver"])
    for key in ("source_ips", "greylist_delays"):
        if key in changes:
            changes[key] = tuple(changes[key])
    if "operator" in data or "signal" in data:
        changes["operators"] = default_operators(data)
    return changes
