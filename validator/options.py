"""Options of every command that dials."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from validator.settings import Settings, load_config, parse_endpoint, with_changes


@Parameter(name="*")
class Common:
    """Options of every command that dials."""

    def __init__(
        self,
        *,
        config: Path | None = None,
        source_ip: Annotated[list[str] | None, Parameter(negative=())] = None,
        helo: str | None = None,
        sender: str | None = None,
        rate_limit: float | None = None,
        concurrency: int | None = None,
        resolver: str | None = None,
        smtp_port: int | None = None,
        allow_private: bool = False,
        no_starttls: Annotated[bool, Parameter(negative=())] = False,
        probe_consumer_microsoft: bool = False,
        proxy: str | None = None,
    ) -> None:
        """Say how to dial.

        Args:
            config: TOML file with settings and operators' budgets.
            source_ip: Local address to dial from; may be given many times.
            helo: Our name in EHLO.
            sender: Envelope sender, a real mailbox.
            rate_limit: Seconds between two recipients per operator and source (default 2).
            concurrency: Sessions at once (default 200).
            resolver: IP:PORT of the recursive resolver.
            smtp_port: Port of the mail servers.
            allow_private: Dial private and loopback addresses; for labs.
            no_starttls: Stay in the clear.
            probe_consumer_microsoft: Ask outlook.com and hotmail.com although their policy forbids it.
            proxy: SOCKS5 URL; answers get worse behind one.
        """
        self.config = config
        self.changes: dict[str, Any] = {
            "source_ips": tuple(source_ip) if source_ip else None,
            "helo": helo,
            "sender": sender,
            "rate_limit": rate_limit,
            "concurrency": concurrency,
            "resolver": resolver,
            "smtp_port": smtp_port,
            "allow_private": allow_private or None,
            "starttls": False if no_starttls else None,
            "probe_consumer_microsoft": probe_consumer_microsoft or None,
            "proxy": proxy,
        }

    def settings(self) -> Settings:
        """The settings: the file first, the command line over it."""
        base = load_config(self.config) if self.config else Settings()
        changes = {name: value for name, value in self.changes.items() if value is not None}
        if "resolver" in changes:
            changes["resolver"] = parse_endpoint(changes["resolver"])
        return with_changes(base, changes)
