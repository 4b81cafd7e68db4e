"""Plans for people: plain text for a terminal, Markdown for the comment under a pull request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from costs.money import Monthly
from deploys.plan import Action, Change, Consent, Fields, Kind, Plan, Value
from deploys.symbolic import Symbolic

SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "-"}
WIDTH = 96
"""Longer values are cut in the middle; the JSON has them whole."""


def text_lines(plan: Plan) -> Iterator[str]:
    """The plan as lines of text: one block a host or zone, then what waits, what is wrong, and the sum."""
    for group, changes in _grouped(plan.changes):
        yield group
        for change in changes:
            yield from _change_lines(change)
        yield ""
    yield from _waiting_lines(plan.waiting)
    yield from plan.notes
    for found in plan.drift:
        yield f"! {found.message}"
    yield summary(plan)


def markdown(plan: Plan) -> str:
    """The plan as Markdown: the sum first, then the details folded away."""
    lines = [f"### Fleet `{plan.fleet}`", "", f"**{summary(plan)}**", ""]
    lines += [f"- :x: {found.message}" for found in plan.problems]
    lines += [f"- :warning: {found.message}" for found in plan.drift]
    lines += [f"- :hourglass: {line}" for line in (*_waiting_lines(plan.waiting), *plan.notes)]
    costs = [(cost.label, cost.monthly) for change in plan.changes for cost in change.costs]
    if costs:
        lines += ["", "| monthly | for |", "| ---: | --- |"]
        lines += [f"| {signed(money) if money else 'unknown'} | {label} |" for label, money in costs]
    consents = consent_phrase(plan.changes)
    if consents:
        lines += ["", f"Needs consent: {consents}."]
    if plan.changes:
        lines += ["", "<details><summary>Every change</summary>", "", "```diff"]
        for group, changes in _grouped(plan.changes):
            lines.append(f"@@ {group} @@")
            lines += [line.removeprefix("  ") for change in changes for line in _change_lines(change)]
        lines += ["```", "", "</details>"]
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def summary(plan: Plan) -> str:
    """One line: how much there is to do, and what it costs each month."""
    add, change, delete = (plan.count(action) for action in Action)
    line = f"Plan: {add} to add, {change} to change, {delete} to delete"
    money = ", ".join(signed(amount) for amount in plan.monthly)
    if money:
        line += f"; {money}"
    if plan.unpriced:
        line += f"; price unknown: {', '.join(plan.unpriced)}"
    return line


def signed(money: Monthly) -> str:
    """Money with its direction: `+€52.80/month`."""
    text = money.text()
    return f"{text if text.startswith('-') else '+' + text}/month"


def consent_phrase(changes: Iterable[Change]) -> str:
    """What needs consent, as a person would name it: `order n1, change mail routing of 40 domains`.

    Empty if nothing does.
    """
    found = [change for change in changes if change.consent]
    phrases = []
    for consent in Consent:
        objects = [_consented(change) for change in found if change.consent is consent]
        unique = list(dict.fromkeys(objects))
        if unique:
            verb, noun = _PHRASES[consent]
            what = unique[0] if len(unique) == 1 else f"{len(unique)} {noun}"
            phrases.append(f"{verb} {what}")
    return ", ".join(phrases)


_PHRASES = {
    Consent.ORDER: ("order", "servers"),
    Consent.CANCEL: ("cancel", "servers"),
    Consent.DELETE_SERVER: ("delete", "servers"),
    Consent.DELETE_RECORD: ("delete", "records"),
    Consent.REROUTE: ("change mail routing of", "domains"),
}


def _consented(change: Change) -> str:
    return change.group if change.consent is Consent.REROUTE else change.object


def _grouped(changes: Sequence[Change]) -> Iterator[tuple[str, list[Change]]]:
    """Changes by what they are shown under, groups in the order of their first change."""
    order = {group: at for at, group in enumerate(dict.fromkeys(change.group for change in changes))}
    shown = sorted(changes, key=lambda change: order[change.group])
    for group, members in groupby(shown, key=lambda change: change.group):
        yield group, list(members)


def _change_lines(change: Change) -> Iterator[str]:
    sign = SIGNS[change.action]
    money = "".join(f"  {signed(cost.monthly) if cost.monthly else 'price unknown'}" for cost in change.costs)
    if change.kind is Kind.NODE:
        entries = (change.after or {}).get("changes", ())
        lines = (
            [line for entry in entries for line in entry.splitlines()] if isinstance(entries, tuple) else []
        )
        yield f"  {sign} node  {lines[0]}" if len(lines) == 1 else f"  {sign} node"
        yield from (f"  {sign}   {line}" for line in lines if len(lines) > 1)
    elif change.kind is Kind.RECORD:
        yield f"  {sign} {_record(change)}"
    else:
        name = "" if change.object == change.group else f" {change.object}"
        details = _DETAILS.get((change.kind, change.action), _details)(change)
        yield f"  {sign} {change.kind} ({change.provider}){name}  {details}{money}".rstrip()


def _order(change: Change) -> str:
    fields = change.after or {}
    term = f", {fields['term_months']}-month term" if change.provider == "contabo" else ""
    return f"{fields['type']} in {fields['location']}, {fields['image']}{term}, IPv4 {fields['ipv4']}"


def _end(change: Change) -> str:
    fields = change.before or {}
    return f"{fields['type']} in {fields['location']}, IPv4 {fields['ipv4'] or 'none'}"


def _name(change: Change) -> str:
    fields = change.after or {}
    before = f"{change.before['name']} -> " if change.before else ""
    return f"{fields['ipv4']}  {before}{fields['name']}"


_DETAILS: Mapping[tuple[Kind, Action], Callable[[Change], str]] = {
    (Kind.SERVER, Action.CREATE): _order,
    (Kind.SERVER, Action.DELETE): _end,
    (Kind.PTR, Action.CREATE): _name,
    (Kind.PTR, Action.UPDATE): _name,
    (Kind.ZONE, Action.CREATE): lambda _: "",
}
"""What people want to know of a change, where that is not all of its fields."""


def _record(change: Change) -> str:
    before, after = change.before or {}, change.after or {}
    fields = after or before
    zone = change.group
    name = str(fields["name"])
    relative = "@" if name == zone else name.removesuffix(f".{zone}")
    value = _shown(fields["value"])
    if before and after:
        old = _shown(before["value"])
        if before.get("ttl") != after.get("ttl"):
            old, value = f"{old} (ttl {before['ttl']})", f"{value} (ttl {after['ttl']})"
        if "adopted" in before:
            old += " (made by others, taken over)"
        value = f"{old} -> {value}"
    return f"{fields['type']:<4} {relative}  {value}"


def _details(change: Change) -> str:
    """The fields that say what is new: all of a create's or delete's, an update's that differ."""
    before, after = change.before or {}, change.after or {}
    if before and after:
        pairs = [
            f"{name}: {_shown(before.get(name, ''))} -> {_shown(value)}"
            for name, value in after.items()
            if before.get(name) != value
        ]
        return ", ".join(pairs)
    return _brief(after or before)


def _brief(fields: Fields) -> str:
    return ", ".join(f"{name}: {_shown(value)}" for name, value in fields.items() if value not in ("", ()))


def _shown(value: Value) -> str:
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    if len(text) > WIDTH and not isinstance(value, Symbolic):
        return f"{text[: WIDTH - 20]}...{text[-17:]}"
    return text


def _waiting_lines(waiting: Sequence[Change]) -> Iterator[str]:
    """What waits, counted by what it waits for: `40 DKIM records wait for their nodes`."""
    nodes = sum(change.kind is Kind.NODE for change in waiting)
    if nodes:
        yield f"{nodes} {'node waits' if nodes == 1 else 'nodes wait'} for their servers"
    kinds = [
        ("DKIM record", "DKIM records", "nodes", "dkim key of"),
        ("change", "changes", "servers", "ipv4 of"),
    ]
    for one, many, area, hole in kinds:
        count = sum(any(h.what.startswith(hole) for h in change.unknowns) for change in waiting)
        if count:
            yield (
                f"{count} {one} waits for its {area}"
                if count == 1
                else f"{count} {many} wait for their {area}"
            )
