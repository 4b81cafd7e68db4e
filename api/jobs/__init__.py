"""Validation jobs: lists that are checked in the background, kept on disk, and survive a restart."""

from api.jobs.local import LocalJobs
from api.jobs.model import Jobs
from engine.model import (
    IdempotencyConflict,
    Job,
    JobError,
    JobNotFound,
    JobOver,
    NobodyAtWork,
    State,
    StorageBroken,
    StorageFull,
    TooManyAddresses,
)

__all__ = [
    "IdempotencyConflict",
    "Job",
    "JobError",
    "JobNotFound",
    "JobOver",
    "Jobs",
    "LocalJobs",
    "NobodyAtWork",
    "State",
    "StorageBroken",
    "StorageFull",
    "TooManyAddresses",
]
