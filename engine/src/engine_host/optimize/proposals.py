"""What a reflection model proposes, made a prompt where that is certain, and refused where it is not."""

import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from dspy.propose import GroundedProposer
from dspy.teleprompt.gepa import InstructionProposer
from dspy.teleprompt.simba_utils import append_a_rule

from engine_host.answers import storable, without_thinking
from engine_host.errors import EngineFailure, Halt, cleaned
from engine_host.meter import Meter
from engine_host.wire import Reply

_FENCE = re.compile(r"\A```[\w+-]*[ \t]*\n(.*?)\n?```\Z", re.DOTALL)
_LABEL = re.compile(
    r"\A(?:(?:sure|certainly|of course|okay|ok)[,.!]?\s+)?(?:here(?:'s| is| are)|below is|this is)\b"
    r"[^\n]{0,120}\b(?:instructions?|prompt)\b[^\n]{0,60}:[ \t]*\n+"
    r"|\A(?:\*\*)?(?:new|improved|updated|revised|final)\s+(?:system\s+)?(?:instructions?|prompt)"
    r"(?:\*\*)?:(?:\*\*)?[ \t]*\n+",
    re.IGNORECASE,
)
_NAMES = ("new_instruction", "instruction", "instructions", "prompt", "new_prompt")
_TRIES = 3
_QUOTED = {'"': '"', "'": "'", "“": "”"}


class Vetting:
    """Asks a reflection model until what it proposes can be used, three times in a row at most."""

    def __init__(self, meter: Meter, longest: int) -> None:
        self._meter = meter
        self._longest = longest
        self.refused = 0

    def tell(self, reply: Reply) -> None:
        """Say in the search's log how much was refused; nothing when nothing was."""
        if self.refused:
            why = self._meter.last_failure
            reply.log(
                f"Refused proposals of the reflection model: {self.refused}. {why}", warning=True
            )
            self.refused = 0

    def room_after(self, text: str) -> int:
        return max(0, self._longest - len(text) - 2)

    def ask(self, propose: Callable[[], str], *, room: int | None = None) -> str:
        """A whole text of `room` characters at most. Raises `Halt` of kind `reflection`."""
        for _ in range(_TRIES):
            try:
                return vetted(propose(), self._longest if room is None else room)
            except Exception as error:  # noqa: BLE001 - whatever an answer that cannot be read raises
                self.refused += 1
                self._meter.last_failure = (
                    error.detail if isinstance(error, EngineFailure) else cleaned(error)
                )
        why = self._meter.last_failure
        raise Halt("reflection", f"The reflection model failed three times in a row: {why}")


class VettedInstructions(GroundedProposer):  # pyright: ignore[reportUntypedBaseClass]
    """MIPROv2's own proposer, whose answers become candidates only when they are whole prompts."""

    def __init__(self, vetting: Vetting, **settings: Any) -> None:
        super().__init__(**settings)
        self._vetting = vetting

    def propose_instruction_for_predictor(self, *arguments: Any, **named: Any) -> str:
        ask = super().propose_instruction_for_predictor
        return self._vetting.ask(lambda: str(ask(*arguments, **named)))


def vetted_rule(vetting: Vetting) -> Callable[..., bool]:
    """SIMBA's own strategy of adding advice to a prompt, with advice that is whole."""

    def append(bucket: list[dict[str, Any]], system: Any, **named: Any) -> bool:
        predictor = system.predictors()[0]
        start = predictor.signature
        added: list[bool] = []

        def propose() -> str:
            predictor.signature = start
            # It marks what it has read in the bucket, and could not read that again.
            added.append(append_a_rule([dict(each) for each in bucket], system, **named))
            return predictor.signature.instructions[len(start.instructions) :] or "-"

        room = vetting.room_after(start.instructions)
        advice = vetting.ask(propose, room=room)
        grown = f"{start.instructions}\n\n{advice}" if predictor.signature != start else None
        if grown is not None:
            predictor.signature = start.with_instructions(grown)
        return added[-1]

    return append


class VettedProposals(InstructionProposer):  # pyright: ignore[reportGeneralTypeIssues, reportUntypedBaseClass]
    """GEPA's own proposer, whose answers become candidates only when they are whole prompts."""

    def __init__(self, meter: Meter, longest: int) -> None:
        super().__init__()
        self._meter = meter
        self._longest = longest

    def __call__(
        self,
        candidate: dict[str, str],
        reflective_dataset: Mapping[str, Sequence[Mapping[str, Any]]],
        components_to_update: list[str],
    ) -> dict[str, str]:
        proposed = super().__call__(candidate, reflective_dataset, components_to_update)
        try:
            return {name: vetted(text, self._longest) for name, text in proposed.items()}
        except EngineFailure as refusal:
            self._meter.last_failure = refusal.detail
            raise


def vetted(proposal: str, longest: int) -> str:
    """The prompt in a proposal. Raises `reflection` with the reason when it cannot be one."""
    text = storable(without_thinking(proposal)[0]).strip()
    before = None
    while text != before:
        before = text
        text = _unwrapped(_LABEL.sub("", text, count=1).strip())
    if not text:
        raise EngineFailure("reflection", "The reflection model proposed an empty prompt.")
    if text.count("```") % 2:
        raise EngineFailure("reflection", "The proposed prompt breaks off inside a code fence.")
    if len(text) > longest:
        raise EngineFailure(
            "reflection",
            f"The proposed prompt has {len(text):,} characters; {longest:,} are allowed.",
        )
    return text


def _unwrapped(text: str) -> str:
    fenced = _FENCE.match(text)
    if fenced and "```" not in fenced[1]:
        return fenced[1].strip()
    closing = _QUOTED.get(text[:1])
    if closing and len(text) > 1 and text.endswith(closing) and closing not in text[1:-1]:
        return text[1:-1].strip()
    return _of_data(text) if text[:1] in {"{", "["} else text


def _of_data(text: str) -> str:
    """The one text in a JSON object or a printed list; a prompt may begin with a bracket, too."""
    match _read(text):
        case dict() as fields:
            values = [value for name, value in fields.items() if name in _NAMES]
            if len(values) == 1 and isinstance(values[0], str):
                return values[0].strip()
        case [str() as only]:
            return only.strip()
        case [*_]:
            raise EngineFailure("reflection", "The reflection model proposed a list, not a prompt.")
        case _:
            pass
    return text


def _read(text: str) -> object:
    for reader in (json.loads, ast.literal_eval):
        try:
            return cast("object", reader(text))
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return None
