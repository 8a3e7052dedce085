"""What a playbook is made of, once it has been read."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict

from mission_control.core import safe_yaml
from mission_control_protocol import CheckKind

Split = Literal["train", "validation", "test"]

AGENT_ID = re.compile(r"[a-z][a-z0-9_-]{0,63}")
# They stand where an id does in addresses of ours: an agent of this name could not be asked for.
RESERVED_AGENT_IDS = frozenset({"import", "marketplace"})
SPLITS: tuple[Split, ...] = get_args(Split)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Check(_Part):
    """One condition on an answer. `contains` needs all values, `excludes` none of them."""

    kind: CheckKind
    values: list[str]
    field: str | None = None  # None: every expected field together


class Scenario(_Part):
    """One case. `split=None`: decided by `split_of`. `anchor`: it may never break.

    `draft`: nobody has said yet that what it expects is right, so nothing is measured by it.
    """

    id: str
    description: str
    tags: list[str]
    split: Split | None
    anchor: bool
    draft: bool = False
    input: dict[str, str]
    expected: dict[str, str]
    checks: list[Check]
    spoken_forms: dict[str, list[str]] = {}  # of a value: {"$49": ["forty nine dollars"]}


class Demonstration(_Part):
    inputs: dict[str, str]
    outputs: dict[str, str]


class LanguageModel(_Part):
    """What the playbook asks for; None where it leaves the choice to the settings."""

    provider: str | None
    model: str | None
    temperature: float | None
    max_tokens: int | None


class Playbook(_Part):
    """A playbook that can be used. `data` is what is stored, `hash` is what identifies it."""

    data: dict[str, Any]
    hash: str
    agent_id: str
    name: str
    description: str
    tags: list[str]
    prompt: str | None
    first_message: str | None  # what a phone bot says first; None leaves what the target has
    demonstrations: list[Demonstration]
    language_model: LanguageModel
    scenarios: list[Scenario]

    @property
    def reviewed(self) -> list[Scenario]:
        """The scenarios that count: all but the drafts."""
        return [each for each in self.scenarios if not each.draft]


# SuperOptiX's own lexical score decides where an author declared nothing.
UNDECLARED = Check(kind="superoptix", values=[])


def canonical_yaml(data: Mapping[str, Any]) -> str:
    """The one text of this content, whatever the order in which it was written."""
    return safe_yaml.dump(dict(data))


def content_hash(data: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical YAML, as hex."""
    return hashlib.sha256(canonical_yaml(data).encode()).hexdigest()
