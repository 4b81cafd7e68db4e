"""What the routes share: one of each for the life of the process."""

from __future__ import annotations

from dataclasses import dataclass, field

from api.answers import Answers
from api.checking import Checker
from api.config import Config
from api.jobs import Jobs
from api.keys import Keyring
from api.metrics import Metrics
from api.pace import Pace
from api.team import Team


@dataclass
class Service:
    """The parts behind the routes.

    Attributes:
        version: Of the release that runs.
        validations: Calls of /validate under way.
    """

    config: Config
    keyring: Keyring
    pace: Pace
    metrics: Metrics
    checker: Checker
    jobs: Jobs
    team: Team
    answers: Answers
    version: str
    validations: int = field(default=0)
