"""What is said in the calls: truckers, their insurance, and the ways in which a phone bot goes wrong.

A call is composed of an opening, some situations and an ending. Every situation has the reply that
it should get and replies that it should never get: those are what the playbooks' scenarios catch.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from mission_control_sandbox.world import situations
from mission_control_sandbox.world.people import Person
from mission_control_sandbox.world.seeded_random import SeededRandom
from mission_control_sandbox.world.situations import Line, Situation

# A bot that is rarely wrong teaches nobody anything.
WEAKNESS = {"remus": 34, "genesis": 27, "scout": 24, "human": 7}
SETTLED = {"remus": 26, "genesis": 26, "scout": 26, "human": 8}  # percent of the calls


@dataclass(frozen=True, slots=True)
class Script:
    """One call without its times."""

    outcome: str
    ended_reason: str
    direction: Literal["inbound", "outbound"] = "outbound"
    lines: tuple[Line, ...] = ()
    answered: bool = True
    success: bool | None = None
    failure: str | None = None
    summary: str = ""
    silence_ms: int = 0


def script(agent: str, whom: Person, random: SeededRandom) -> Script:
    """How this call goes."""
    inbound = agent == "genesis" or (agent == "human" and random.chance(30))
    direction = "inbound" if inbound else "outbound"
    unanswered = _not_connected(random, inbound=inbound)
    if unanswered:
        return replace(unanswered, direction=direction)
    teller = _Teller(agent, whom, random)
    if not inbound and random.chance(20):
        return teller.voicemail()
    return replace(teller.talk(inbound=inbound), direction=direction)


def _not_connected(random: SeededRandom, *, inbound: bool) -> Script | None:
    luck = random.below(1000)
    if inbound:
        return _ERRORS_AT_START[luck % 3] if luck < 6 else None
    if luck < 120:
        return Script("no_answer", "customer-did-not-answer", answered=False)
    if luck < 155:
        return Script("busy", "customer-busy", answered=False)
    return _ERRORS_AT_START[luck % 5] if luck < 165 else None


_ERRORS_AT_START = tuple(
    Script("failed", reason, answered=False)
    for reason in (
        "call.start.error-get-assistant",
        "call.in-progress.error-sip-telephony-provider-failed-to-connect-call",
        "assistant-request-failed",
        "twilio-failed-to-connect-call",
        "vonage-failed-to-connect-call",
    )
)
_BROKEN_OFF = (
    "pipeline-error-openai-llm-failed",
    "pipeline-error-deepgram-transcriber-failed",
    "pipeline-error-eleven-labs-voice-failed",
    "call.in-progress.error-vapifault-worker-died",
    "call.in-progress.error-providerfault-outbound-sip-403-forbidden",
    "call.in-progress.error-assistant-model-hallucinated-a-tool",  # newer than any list
)


class _Teller:
    """One agent and one person on the phone."""

    def __init__(self, agent: str, whom: Person, random: SeededRandom) -> None:
        self._agent, self._random = agent, random
        self._weak = WEAKNESS[agent]
        self._words: Mapping[str, object] = {
            "first": whom.name.partition(" ")[0],
            "name": whom.name,
            "company": whom.company,
            "city": whom.city,
            "state": whom.state,
            "trucks": f"{whom.trucks} truck{'s' if whom.trucks != 1 else ''}",
            "renewal": f"{whom.renewal:%B} {whom.renewal.day}",
            "rep": random.one(situations.REPRESENTATIVES),
            "haul": random.one(situations.HAULS),
            "day": random.one(situations.DAYS),
            "hour": random.one(situations.HOURS),
            "sum": random.one(situations.SUMS),
        }

    def voicemail(self) -> Script:
        """The greeting of a machine, and the message that is left, or the pitch that should not be."""
        heard: Line = ("person", self._fill(self._random.one(situations.GREETINGS)))
        if self._random.chance(self._weak // 2):
            pitch: Line = ("bot", self._fill(situations.TALKED_TO_A_MACHINE))
            wrong = "talked_to_a_machine"
            return self._ended("voicemail", "silence-timed-out", (heard, pitch), wrong, 30_000)
        message: Line = ("bot", self._fill(situations.MESSAGES[self._agent]))
        return self._ended("voicemail", "voicemail", (heard, message), None)

    def talk(self, *, inbound: bool) -> Script:
        openings = situations.OPENINGS[self._agent, inbound]
        lines: list[Line] = [("bot", self._fill(openings))]
        decisive = self._decisive()
        if decisive is None or self._random.chance(55):
            answers = situations.CALLERS if inbound else situations.ANSWERS
            lines.append(("person", self._said(answers)))
        if decisive is not None:
            return self._decided(lines, decisive)
        return self._chatted(lines)

    def _decisive(self) -> Situation | None:
        """A situation that settles the call, such as a wish not to be called again."""
        if not self._random.chance(SETTLED[self._agent]):
            return None
        return self._random.one(situations.DECISIVE[self._agent])

    def _decided(self, lines: list[Line], about: Situation) -> Script:
        lines.append(("person", self._said(about.said)))
        failure = self._reply(lines, about)
        if failure:
            lines.append(("person", self._random.one(situations.UPSET[about.topic])))
            if self._random.chance(40):
                lines.append(("bot", self._fill(self._random.one(situations.SOLD_ON))))
        reason = "customer-ended-call" if failure else "assistant-ended-call"
        outcome = "hung_up" if failure and about.outcome == "transferred" else about.outcome
        if outcome == "transferred":
            reason = "assistant-forwarded-call"
        return self._ended(outcome, reason, tuple(lines), failure, topics=(about.topic,))

    def _chatted(self, lines: list[Line]) -> Script:
        failure = None
        met = self._random.some(situations.SITUATIONS[self._agent], 1 + self._random.below(3))
        for about in met:
            lines.append(("person", self._said(about.said)))
            failure = self._reply(lines, about) or failure
        topics = tuple(about.topic for about in met)
        if self._random.chance(3):
            broken = self._random.one(_BROKEN_OFF)
            return self._ended("failed", broken, tuple(lines), failure, topics=topics)
        return self._closed(lines, failure, topics)

    def _closed(self, lines: list[Line], failure: str | None, topics: tuple[str, ...]) -> Script:
        chance = 22 if failure else 68
        if self._random.chance(chance):
            outcome, texts = self._random.one(situations.GOOD_ENDS[self._agent])
            for speaker, text in texts:
                lines.append((speaker, self._fill(text)))
            reason = (
                "assistant-forwarded-call" if outcome == "transferred" else "assistant-ended-call"
            )
            return self._ended(outcome, reason, tuple(lines), failure, topics=topics)
        outcome, text = self._random.one(situations.BAD_ENDS)
        if text is None:
            return self._ended(
                outcome, "silence-timed-out", tuple(lines), failure, 30_000, topics=topics
            )
        lines.append(("person", self._said((text,))))
        slow = self._random.chance(2)
        reason = "exceeded-max-duration" if slow else "customer-ended-call"
        silence = 480_000 if slow else 0
        return self._ended(outcome, reason, tuple(lines), failure, silence, topics=topics)

    def _reply(self, lines: list[Line], about: Situation) -> str | None:
        """The reply that is right, or one that is not and the name of what is wrong with it."""
        weak = self._weak + (20 if about.hard else 0)
        if about.wrong and self._agent != "human" and self._random.chance(weak):
            failure, text = self._random.one(about.wrong)
            lines.append(("bot", self._fill(text)))
            return failure
        lines.append(("bot", self._fill(self._random.one(about.right))))
        return None

    def _said(self, texts: tuple[str, ...]) -> str:
        text = self._fill(self._random.one(texts))
        return self._random.one(situations.FILLERS) + text

    def _fill(self, text: str) -> str:
        return text.format_map(self._words) if "{" in text else text

    def _ended(
        self,
        outcome: str,
        reason: str,
        lines: tuple[Line, ...],
        failure: str | None,
        silence_ms: int = 0,
        *,
        topics: tuple[str, ...] = (),
    ) -> Script:
        good = failure is None and outcome not in ("hung_up", "failed", "not_interested")
        analysed = outcome != "failed"
        return Script(
            outcome,
            reason,
            lines=lines,
            success=good if analysed else None,
            failure=failure,
            summary=" ".join(self._summary(outcome, failure, topics)) if analysed else "",
            silence_ms=silence_ms,
        )

    def _summary(self, outcome: str, failure: str | None, topics: tuple[str, ...]) -> Iterator[str]:
        yield self._fill("{name} of {company} ({trucks}, renews {renewal}).")
        if topics:
            yield f"They talked about {', '.join(topic.replace('_', ' ') for topic in topics)}."
        yield situations.OUTCOMES[outcome]
        if failure:
            yield f"The agent {situations.FAILURES[failure]}."
