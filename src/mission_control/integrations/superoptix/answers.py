"""The answers to one request: errors raised with what was kept, and only what was asked for."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

from pydantic import BaseModel

from mission_control.integrations.superoptix.failures import failure
from mission_control.integrations.superoptix.process import EngineProcess
from mission_control_protocol import Failed, FromEngine, ToEngine

AnswerT = TypeVar("AnswerT", bound=BaseModel)


class Kept:
    """What an error may say about what is left of the work."""

    def __init__(self, nothing: str, some: str) -> None:
        self.something = False
        self._nothing = nothing
        self._some = some

    def __str__(self) -> str:
        return self._some if self.something else self._nothing


async def answers_of(
    engine: EngineProcess, message: ToEngine, kept: Kept
) -> AsyncGenerator[FromEngine]:
    async with aclosing(engine.request(message, kept=kept)) as answers:
        async for answer in answers:
            if isinstance(answer, Failed):
                raise failure(answer.kind, answer.detail, kept=str(kept), usage=answer.usage)
            yield answer


def expected(answer: FromEngine, kind: type[AnswerT]) -> AnswerT:
    if not isinstance(answer, kind):
        raise failure("internal", f"it answered {answer.type}")
    return answer
