"""Is this address real, and how do we know.

async with Validator(Settings(helo="n1.example.org")) as validator:
    verdict = await validator.check("someone@example.com")
    async for verdict in validator.stream(addresses): ...

verdict = check("someone@example.com")          # blocking
"""

from validator.classify import Finding, classify
from validator.client import Validator, check
from validator.explain import explained
from validator.reply import Reply, parse_text
from validator.settings import ConfigError, Settings, load_config
from validator.status import Stage, Status
from validator.transport import Timeouts
from validator.verdict import Verdict

__all__ = [
    "ConfigError",
    "Finding",
    "Reply",
    "Settings",
    "Stage",
    "Status",
    "Timeouts",
    "Validator",
    "Verdict",
    "check",
    "classify",
    "explained",
    "load_config",
    "parse_text",
]
