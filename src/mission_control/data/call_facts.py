"""What is known of a call, put together from what was said of it, whatever the order it came in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple, Self

from mission_control.core.words import CallEnding, CallSource, SuccessRubric
from mission_control.data.call_documents import transcript_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CENT_OF_A_MICRO_DOLLAR = Decimal("0.00000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """All that one source says about one call at one moment. None: it says nothing about that."""

    source: CallSource
    external_id: str
    created_at: datetime
    document: dict[str, Any]
    source_updated_at: datetime | None = None
    agent_id: str | None = None
    assistant_id: str | None = None
    assistant_version: str | None = None
    lead_id: str | None = None
    contact_id: str | None = None
    direction: str | None = None
    status: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_seconds: float | None = None
    ended_reason: str | None = None
    ending: CallEnding | None = None
    # As it was said, and by what was judged; what it means follows from the two.
    success_evaluation: str | None = None
    success_rubric: SuccessRubric | None = None
    cost_usd: Decimal | None = None
    customer_number: str | None = None
    customer_name: str | None = None
    summary: str | None = None
    transcript: str | None = None
    names_call: str | None = None  # another system's id of the same call, which it is told to be
    # The source has deleted what was said: nothing of it is stored any more, whatever comes later.
    content_removed_at: datetime | None = None
    # By assistant, of those that spoke in it.
    part_agents: Mapping[str, str] = field(default_factory=dict[str, str])


NOT_TOLD = {"source", "external_id", "created_at", "document", "source_updated_at", "agent_id",
            "part_agents"}  # fmt: skip
COLUMNS = tuple(each.name for each in fields(CallFacts) if each.name not in NOT_TOLD)
# What tells what was said, or who said it.
CONTENT = frozenset({"document", "summary", "transcript", "customer_number", "customer_name"})

Path = tuple[str, ...]  # a column, or `document` and one or two keys


class Stamp(NamedTuple):
    """How much a statement counts: an ended call never goes back, and then the later one counts."""

    finality: int
    microseconds: int  # of the source's own clock, since 1970


class Said(NamedTuple):
    stamp: Stamp
    value: Any


@dataclass(frozen=True, slots=True)
class KnownCall:
    """Each part as the statement that counts most has it.

    Joining is commutative, associative and idempotent: in which order statements come, and how
    often, makes no difference.
    """

    created_at: datetime
    agent_id: str | None = None
    parts: Mapping[Path, Said] = field(default_factory=dict[Path, Said])
    part_agents: Mapping[str, str] = field(default_factory=dict[str, str])  # as last told

    @classmethod
    def of(cls, facts: CallFacts) -> Self:
        ended = facts.ending is not None or facts.ended_at is not None
        stamp = Stamp(int(ended), _microseconds(facts.source_updated_at))
        told = {(name,): getattr(facts, name) for name in COLUMNS} | _leaves(facts.document)
        parts = {
            path: Said(stamp, _exact(value))
            for path, value in told.items()
            if not _is_nothing(value)
        }
        created_at = min(facts.created_at, facts.source_updated_at or facts.created_at)
        return cls(created_at, facts.agent_id, _settled(parts), facts.part_agents)

    @classmethod
    def stored(
        cls, row: Mapping[str, Any], document: dict[str, Any], stamps: Mapping[str, Any]
    ) -> Self:
        """As `columns`, `document` and `stamps` gave it."""
        derived = stamps.get("derived", ())
        told = {(name,): row[name] for name in COLUMNS if name not in derived}
        told |= _leaves(document)
        latest = Stamp(*stamps.get("latest", (0, 0)))
        earlier = {
            path: Stamp(*stamp) for stamp, *paths in stamps.get("earlier", ()) for path in paths
        }
        return cls(
            row["created_at"],
            row["agent_id"],
            {
                path: Said(earlier.get("/".join(path), latest), value)
                for path, value in told.items()
                if not _is_nothing(value)
            },
        )

    def joined(self, other: "KnownCall") -> "KnownCall":
        parts = dict(self.parts)
        for path, said in other.parts.items():
            known = parts.get(path)
            parts[path] = said if known is None else _the_one_that_counts(known, said)
        created_at = min(self.created_at, other.created_at)
        agents = {**self.part_agents, **other.part_agents}
        return KnownCall(created_at, self.agent_id or other.agent_id, _settled(parts), agents)

    @property
    def columns(self) -> dict[str, Any]:
        """For every column its value, `source_updated_at` included."""
        told = {name: self._value((name,)) for name in COLUMNS}
        if self._transcript_is_derived:
            told["transcript"] = transcript_of(self.document)
        latest = self._latest()
        at = datetime.fromtimestamp(latest.microseconds / 1_000_000, UTC)
        return {
            **told,
            "created_at": self.created_at,
            "agent_id": self.agent_id,
            "source_updated_at": at if latest.microseconds else None,
        }

    @property
    def document(self) -> dict[str, Any]:
        told = {path: said.value for path, said in self.parts.items() if path[0] == "document"}
        found: dict[str, Any] = {path[1]: value for path, value in told.items() if len(path) == 2}
        nested: dict[str, dict[str, Any]] = {}
        for path, value in told.items():
            if len(path) == 3:
                nested.setdefault(path[1], {})[path[2]] = value
        return found | nested

    @property
    def stamps(self) -> dict[str, Any]:
        """When each part was said, as JSON. Most parts come from the latest statement."""
        latest = self._latest()
        earlier: dict[Stamp, list[str]] = {}
        for path, said in self.parts.items():
            if said.stamp != latest:
                earlier.setdefault(said.stamp, []).append("/".join(path))
        listed = [[list(stamp), *sorted(paths)] for stamp, paths in sorted(earlier.items())]
        derived = {"derived": ["transcript"]} if self._transcript_is_derived else {}
        return {"latest": list(latest)} | ({"earlier": listed} if listed else {}) | derived

    @property
    def _transcript_is_derived(self) -> bool:
        """Nobody told it, and the messages say what it would be: so that it is found all the same."""
        is_told = ("transcript",) in self.parts
        return not is_told and transcript_of(self.document) is not None

    def _latest(self) -> Stamp:
        return max((said.stamp for said in self.parts.values()), default=Stamp(0, 0))

    def _value(self, path: Path) -> Any:
        said = self.parts.get(path)
        return None if said is None else said.value


def _the_one_that_counts(one: Said, other: Said) -> Said:
    if one.stamp != other.stamp or one.value == other.value:
        return max(one, other, key=lambda said: said.stamp)
    # Said at the same instant: any rule will do, as long as the order does not matter.
    return max(one, other, key=lambda said: json.dumps(said.value, sort_keys=True, default=str))


def _leaves(document: Mapping[str, Any]) -> dict[Path, Any]:
    """The document's parts, two keys deep: what one statement leaves out, another one keeps."""
    leaves: dict[Path, Any] = {}
    for key, value in document.items():
        if isinstance(value, dict):
            leaves |= {("document", key, str(inner)): each for inner, each in value.items()}  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        else:
            leaves["document", key] = value
    return leaves


def _settled(parts: dict[Path, Said]) -> dict[Path, Said]:
    """Without content that is removed, and without a mere value where there are parts of it."""
    if ("content_removed_at",) in parts:
        return {path: said for path, said in parts.items() if path[0] not in CONTENT}
    for shadowed in {path[:2] for path in parts if len(path) == 3} & parts.keys():
        del parts[shadowed]
    return parts


def _is_nothing(value: Any) -> bool:
    return value is None or value in ("", [], {})


def _exact(value: Any) -> Any:
    return value.quantize(CENT_OF_A_MICRO_DOLLAR) if isinstance(value, Decimal) else value


def _microseconds(at: datetime | None) -> int:
    return 0 if at is None else (at - EPOCH) // _MICROSECOND


_MICROSECOND = datetime.resolution
