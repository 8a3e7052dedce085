"""Reads `field=value` as it is typed, as what is to change of a lead."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mission_control.api.leads.schemas import LeadFieldRead, LeadUpdate
from mission_control.cli.session import CommandError

OWN = frozenset({"name", "status", "description", "url"})
CUSTOM = "custom."  # for a custom field that is called like one of a lead's own
_CHANGE = re.compile(r"([^=]*?[^=\s+-])\s*(\+=|-=|=)(.*)", re.DOTALL)
_WAYS = {"+=": "add", "-=": "remove"}


@dataclass(frozen=True)
class Change:
    field: str
    sign: str
    value: str


def read(text: str) -> Change:
    """Raises CommandError."""
    found = _CHANGE.fullmatch(text.strip())
    if found is None:
        raise CommandError(f"{text!r} is not FIELD=VALUE. Nothing was sent.")
    field, sign, value = found.groups()
    return Change(field, sign, value.strip())


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """Fields and the values that they should have, as a filter."""
    changes = [read(text) for text in texts]
    wrong = next((each for each in changes if each.sign != "="), None)
    if wrong is not None:
        raise CommandError(f"{wrong.field}{wrong.sign} filters nothing: write FIELD=VALUE.")
    return {each.field.removeprefix(CUSTOM): each.value for each in changes}


def request(changes: Sequence[Change], known: Sequence[LeadFieldRead]) -> LeadUpdate:
    """What is to be sent. Raises CommandError where a field is named twice or not a number."""
    names = [each.field for each in changes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise CommandError(f"{twice} is named twice; change it in two commands. Nothing was sent.")
    own = {each.field: _own(each) for each in changes if each.field in OWN}
    custom = {
        each.field.removeprefix(CUSTOM): _custom(each, known)
        for each in changes
        if each.field not in OWN
    }
    return LeadUpdate.model_validate({**own, "custom": custom} if custom else own)


def _own(change: Change) -> str | None:
    if change.sign != "=":
        raise CommandError(f"{change.field} holds one value: write {change.field}=VALUE.")
    return change.value or None


def _custom(change: Change, known: Sequence[LeadFieldRead]) -> object:
    name = change.field.removeprefix(CUSTOM)
    definition = next((each for each in known if name in {each.id, each.name}), None)
    is_number = definition is not None and definition.type == "number"
    value = _number(change) if is_number and change.value else change.value or None
    return {_WAYS[change.sign]: value} if change.sign in _WAYS else value


def _number(change: Change) -> int | float:
    try:
        return int(change.value)
    except ValueError:
        pass
    try:
        return float(change.value)
    except ValueError:
        raise CommandError(
            f"{change.field} is a number, and {change.value!r} is none. Nothing was sent."
        ) from None
