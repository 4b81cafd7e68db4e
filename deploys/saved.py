"""Plans as JSON: stable, versioned, described in `docs/plan-format.md`, and read back for `apply --plan`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from costs.money import Monthly
from deploys.plan import (
    Action,
    Area,
    Change,
    Consent,
    Cost,
    Fields,
    Finding,
    Kind,
    Plan,
    Scope,
    Value,
)
from deploys.symbolic import Symbolic, Unknown

VERSION = 1


class PlanError(ValueError):
    """A saved plan cannot be used; the message says why and what to do."""


def checksum(plan: Plan) -> str:
    """SHA-256 over the world as read and all that the plan says: the same world, the same plan."""
    content = _content(plan)
    return "sha256:" + hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def dump(plan: Plan) -> dict[str, Any]:
    """The plan as JSON values, with its summary and checksum."""
    return {
        **_content(plan),
        "summary": {
            **{str(action): plan.count(action) for action in Action},
            "monthly": [_money(money) for money in plan.monthly],
            "unpriced": list(plan.unpriced),
            "pending": plan.pending,
        },
        "notes": list(plan.notes),
        "checksum": checksum(plan),
    }


def load(path: Path) -> Plan:
    """Read a plan that :func:`dump` wrote.

    Raises:
        PlanError: the file is missing, no plan, of another version, or was changed since it was written.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
        if data["version"] != VERSION:
            raise PlanError(
                f"{path} has plan format {data['version']}, this outreach reads {VERSION}: plan again"
            )
        plan = _plan(data)
    except OSError as error:
        raise PlanError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, PlanError):
            raise
        raise PlanError(f"{path} is not a plan: make one with `outreach plan --json --out {path}`") from error
    if checksum(plan) != data.get("checksum"):
        raise PlanError(f"{path} was changed after it was written: plan again")
    return plan


def _content(plan: Plan) -> dict[str, Any]:
    return {
        "version": VERSION,
        "fleet": plan.fleet,
        "scope": {
            "only": sorted(plan.scope.only),
            "limit": list(plan.scope.limit),
            "adopt": list(plan.scope.adopt),
        },
        "world": plan.world,
        "changes": [_change(change) for change in plan.changes],
        "waiting": [_change(change) for change in plan.waiting],
        "problems": [vars(found) for found in plan.problems],
        "drift": [vars(found) for found in plan.drift],
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "action": str(change.action),
        "kind": str(change.kind),
        "provider": change.provider,
        "group": change.group,
        "object": change.object,
        "before": _fields(change.before),
        "after": _fields(change.after),
        "costs": [
            {"label": cost.label, "monthly": _money(cost.monthly) if cost.monthly else None}
            for cost in change.costs
        ],
        "consent": change.consent and str(change.consent),
        "hosts": list(change.hosts),
    }


def _money(money: Monthly) -> dict[str, str]:
    return {"amount": money.fixed(), "currency": money.currency}


def _fields(fields: Fields | None) -> dict[str, Any] | None:
    return None if fields is None else {name: _value(value) for name, value in fields.items()}


def _value(value: Value) -> object:
    if isinstance(value, Symbolic):
        return {"parts": [part if isinstance(part, str) else vars(part) for part in value.parts]}
    return list(value) if isinstance(value, tuple) else value


def _plan(data: Mapping[str, Any]) -> Plan:
    scope = data["scope"]
    return Plan(
        fleet=data["fleet"],
        scope=Scope(frozenset(map(Area, scope["only"])), tuple(scope["limit"]), tuple(scope["adopt"])),
        world=data["world"],
        changes=tuple(map(_read_change, data["changes"])),
        waiting=tuple(map(_read_change, data["waiting"])),
        problems=tuple(Finding(**found) for found in data["problems"]),
        drift=tuple(Finding(**found) for found in data["drift"]),
        notes=tuple(data["notes"]),
    )


def _read_change(data: Mapping[str, Any]) -> Change:
    return Change(
        action=Action(data["action"]),
        kind=Kind(data["kind"]),
        provider=data["provider"],
        group=data["group"],
        object=data["object"],
        before=_read_fields(data["before"]),
        after=_read_fields(data["after"]),
        costs=tuple(Cost(cost["label"], _read_money(cost["monthly"])) for cost in data["costs"]),
        consent=Consent(data["consent"]) if data["consent"] else None,
        hosts=tuple(data["hosts"]),
    )


def _read_money(data: Mapping[str, str] | None) -> Monthly | None:
    return None if data is None else Monthly(Decimal(data["amount"]), data["currency"])


def _read_fields(data: Mapping[str, Any] | None) -> Fields | None:
    return None if data is None else {name: _read_value(value) for name, value in data.items()}


def _read_value(value: Any) -> Value:
    if isinstance(value, dict):
        parts = value["parts"]
        return Symbolic(tuple(part if isinstance(part, str) else Unknown(**part) for part in parts))
    return tuple(value) if isinstance(value, list) else value
