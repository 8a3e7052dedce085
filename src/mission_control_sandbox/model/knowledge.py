"""What a prompt teaches: rules, demonstrations and forbidden phrases, and the reply they lead to."""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

from mission_control_sandbox.model.english import concepts_of, meaning, plain

BLAND = (
    "Thanks for telling me. Do you have a moment to talk about it?",
    "I understand. Is there anything else that you would like to know?",
    "Sure, I am happy to help. Could you say a little more about that?",
)
FIRES_AT = 0.4
RELATED = 0.7  # the worth of a synonym, where the word itself is worth 1
EXAMPLE = 0.8  # a stated rule wins over an equally near demonstration
LITERAL_FIT = 9.0

_VERBS = (
    "say|reply|respond|answer|tell|mention|explain|confirm|ask|offer|apologi[sz]e|thank|include|"
    "promise|let|give|read|leave|state|start|begin|end|close|transfer|be|keep|do|stay|never|move|hand|note"
)
_SOFTENERS = (
    r"(?:(?:then|you|must|should|always|simply|just|politely|please|can|may|first|calmly)\s+)*"
)
_CONDITIONAL = re.compile(
    r"^(?:when|if|whenever|in case)\s+(?P<condition>.+?)\s*(?:[,:\u2013\u2014]|\s-\s)\s*"
    rf"(?P<order>{_SOFTENERS}(?:{_VERBS})\b.*)$",
    re.IGNORECASE,
)
_UNCONDITIONAL = re.compile(
    r"^always\s+(?:say|mention|include|add|end with|close with|start with)\b(?P<order>.*)$",
    re.IGNORECASE,
)
_PROHIBITION = re.compile(
    r"^(?:you\s+(?:must\s+)?)?(?:never|do not|don't|must not)\s+(?:ever\s+)?"
    r"(?:say|mention|use|promise|claim|tell)\b(?P<order>.*)$",
    re.IGNORECASE,
)
_NEXT_SENTENCE = re.compile(
    r"(?<=[.!?\"\u201d])\s+(?=(?:When|If|Whenever|In case|Never|Do not|Don't|Always|You must not)\b)"
)
_QUOTED = re.compile(r"[\"\u201c]([^\"\u201c\u201d\n]{2,600})[\"\u201d]")
_CLAUSE = re.compile(
    rf"\s*(?:,|;|\.|\band\b|\bthen\b)+\s*(?={_SOFTENERS}(?:{_VERBS})\b)", re.IGNORECASE
)
_BULLET = re.compile(r"^[\s>]*(?:[-*\u2022]|\d+[.)])?\s*(?:\*\*[^*]+\*\*:?\s*)?")
_SPOKEN_FORMS = (
    (
        re.compile(
            rf"^{_SOFTENERS}(?:say|explain|confirm|mention|promise|state|reply|respond|answer|note|"
            r"tell (?:them|him|her|the \w+)|let (?:them|the \w+) know)\s+that\s+(?P<rest>.+)$",
            re.IGNORECASE,
        ),
        "{rest}",
    ),
    (
        re.compile(rf"^{_SOFTENERS}ask (?:them |the \w+ )?for\s+(?P<rest>.+)$", re.IGNORECASE),
        "could I have {rest}?",
    ),
    (
        re.compile(
            rf"^{_SOFTENERS}ask (?:them |the \w+ )?(?P<rest>(?:what|when|which|whether|if|how|who|where)\b.+)$",
            re.IGNORECASE,
        ),
        "may I ask {rest}?",
    ),
    (re.compile(rf"^{_SOFTENERS}offer to\s+(?P<rest>.+)$", re.IGNORECASE), "I can {rest}"),
    (
        re.compile(rf"^{_SOFTENERS}offer (?:them )?(?P<rest>.+)$", re.IGNORECASE),
        "I can offer you {rest}",
    ),
    (re.compile(rf"^{_SOFTENERS}apologi[sz]e\b.*$", re.IGNORECASE), "I am sorry about that"),
    (re.compile(rf"^{_SOFTENERS}thank (?:them|the \w+)\b.*$", re.IGNORECASE), "thank you"),
)
_CALLER = r"the (?:caller|customer|person|guest|patient|prospect)"
# An order speaks to the bot about the caller; its speech is spoken by the bot to the caller.
_TURNED = {
    "you are": "I am",
    "you": "I",
    "your": "my",
    "they": "you",
    "them": "you",
    "their": "your",
}
_PERSONS = re.compile(rf"\b(?:you are|your?|they|them|their|{_CALLER}(?:'s)?)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing to say, and when. `source` is the text of the prompt that states it."""

    condition: str
    speech: str
    source: str = ""
    weight: float = 1.0

    def quotes(self, said: str) -> bool:
        """Whether the condition quotes what was said. One quoted word must be all that was said."""
        heard = plain(said)
        phrases = (plain(phrase) for phrase in _QUOTED.findall(self.condition))
        return any(phrase == heard or (" " in phrase and phrase in heard) for phrase in phrases)


@dataclass(frozen=True)
class Knowledge:
    """All that one prompt says about how to answer."""

    rules: tuple[Rule, ...]
    demonstrations: tuple[Rule, ...]
    forbidden: tuple[str, ...]
    always: tuple[str, ...]

    def reply_to(self, said: str) -> str:
        """The best matching rule's words, without what is forbidden; else a bland line."""
        chosen = self.choose(said)
        speech = chosen.speech if chosen else bland_line(said)
        speech = " ".join(
            [speech, *(text for text in self.always if plain(text) not in plain(speech))]
        )
        return self._allowed(speech) or bland_line(said)

    def choose(self, said: str) -> Rule | None:
        """The rule that fits best. Of two equals the later one wins: that is how rules get corrected."""
        best, best_score = None, FIRES_AT
        for rule in (*self.demonstrations, *self.rules):
            score = rule.weight * self._fit(rule, said)
            if score >= best_score:
                best, best_score = rule, score
        return best

    def _fit(self, rule: Rule, said: str) -> float:
        """How much of what was said the rule's condition names, rare words counting most."""
        if rule.quotes(said):
            return LITERAL_FIT
        heard, known = meaning(said), meaning(rule.condition)
        evidence: dict[str, float] = {}
        for root in heard.stems & known.stems:
            subject = min(concepts_of(root), default=root)
            evidence[subject] = max(evidence.get(subject, 0.0), self._rarity(root))
        for idiom in heard.idioms & known.idioms:
            evidence[idiom] = self._rarity(idiom)
        for concept in heard.concepts & known.concepts:
            evidence.setdefault(concept, RELATED * self._rarity(concept))
        return sum(evidence.values())

    def _rarity(self, term: str) -> float:
        """1 for a term that points to one answer, less for one that many answers share."""
        return 1 / math.sqrt(max(1, len(self._answers_by_term.get(term, ()))))

    @cached_property
    def _answers_by_term(self) -> Mapping[str, set[str]]:
        answers: dict[str, set[str]] = {}
        for rule in (*self.rules, *self.demonstrations):
            known = meaning(rule.condition)
            for term in known.stems | known.concepts:
                answers.setdefault(term, set()).add(rule.speech)
        return answers

    def _allowed(self, speech: str) -> str:
        sentences = re.split(r"(?<=[.!?])\s+", speech)
        kept = [s for s in sentences if not any(phrase in plain(s) for phrase in self.forbidden)]
        return " ".join(kept).strip()


def bland_line(said: str) -> str:
    return BLAND[hashlib.sha256(plain(said).encode()).digest()[0] % len(BLAND)]


@lru_cache(maxsize=512)
def read_instruction(
    instruction: str, demonstrations: tuple[tuple[str, str], ...] = ()
) -> Knowledge:
    """Read a prompt. `demonstrations` are (what was said, what was answered)."""
    rules: list[Rule] = []
    forbidden: list[str] = []
    always: list[str] = []
    for sentence in _sentences(instruction):
        if match := _CONDITIONAL.match(sentence):
            if speech := _speech(match["order"]):
                rules.append(Rule(match["condition"], speech, sentence))
        elif match := _PROHIBITION.match(sentence):
            forbidden += [plain(phrase).rstrip(".,") for phrase in _QUOTED.findall(match["order"])]
        elif match := _UNCONDITIONAL.match(sentence):
            always += _QUOTED.findall(match["order"])
    shown = (*demonstrations, *_conversations(instruction))
    examples = tuple(Rule(said, answer, weight=EXAMPLE) for said, answer in shown)
    return Knowledge(tuple(rules), examples, tuple(forbidden), tuple(always))


def _sentences(instruction: str) -> Iterable[str]:
    for line in instruction.splitlines():
        yield from _NEXT_SENTENCE.split(_BULLET.sub("", line).strip())


def _conversations(instruction: str) -> Iterable[tuple[str, str]]:
    """Examples written into a prompt: `Caller: …` with the answer on the next line."""
    lines = [line.strip() for line in instruction.splitlines() if line.strip()]
    for said, answer in pairwise(lines):
        heard = re.match(
            r"^(?:caller|customer|user|guest|patient|prospect):\s*(.+)$", said, re.IGNORECASE
        )
        spoken = re.match(r"^(?:you|agent|assistant|bot|reply):\s*(.+)$", answer, re.IGNORECASE)
        if heard and spoken:
            yield heard[1], spoken[1]


def _speech(order: str) -> str:
    """What a rule's order makes one say; empty for an order about manners."""
    if quoted := _QUOTED.findall(order):
        return " ".join(quoted)
    spoken = [_spoken(clause) for clause in _CLAUSE.split(order.strip().rstrip("."))]
    return " ".join(sentence for sentence in spoken if sentence)


def _spoken(clause: str) -> str:
    for form, template in _SPOKEN_FORMS:
        if match := form.match(clause.strip()):
            rest = match.groupdict().get("rest", "").strip().replace(" and that ", " and ")
            said = template.format(rest=_PERSONS.sub(_turned, rest))
            return said[0].upper() + said[1:] + ("" if said[-1] in ".?!" else ".")
    return ""


def _turned(person: re.Match[str]) -> str:
    word = person[0].lower()
    return _TURNED.get(word, "your" if word.endswith("'s") else "you")
