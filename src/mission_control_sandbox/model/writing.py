"""How the stand-in improves a prompt: from feedback on answers it writes rules that it then obeys."""

import ast
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from mission_control_sandbox.model.english import (
    concepts_of,
    idioms,
    meaning,
    plain,
    stem,
    telling_words,
    words,
)
from mission_control_sandbox.model.knowledge import Rule, read_instruction
from mission_control_sandbox.model.request import json_object

HEADING = "Rules learned from past calls:"
RULES_PER_REFLECTION = 3
USELESS_PERCENT = 25
EXAMPLES_PER_PROPOSAL = 6
MOST_TERMS = 12  # in one condition
COMMON = 4  # times in the prompt

_QUOTED = re.compile(r"[\"\u201c]([^\"\u201c\u201d]{2,600})[\"\u201d]")
# Quoted values in a row, else words up to the end of the sentence.
_VALUES = (
    r"\s*:?\s*((?:[\"\u201c][^\"\u201c\u201d]+[\"\u201d][,\s]*(?:(?:and|or)\s+)?)+|[^\n.\"\u201c]+)"
)
_WANTED = re.compile(
    r"(?:should have (?:conveyed|said|been)|expected(?: reply| answer)?(?: is| was)?|ideal(?: reply)?)"
    r"\s*:?\s*[\"\u201c](.{2,2000}?)[\"\u201d]\s*(?:\n|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_MISSING = re.compile(
    rf"\b(?:missing|must (?:say|contain|mention|include)){_VALUES}", re.IGNORECASE
)
_FORBIDDEN = re.compile(
    r"\b(?:(?:must|should|may) not (?:be said|say|contain|mention|include)|"
    rf"never (?:say|mention)|forbidden){_VALUES}",
    re.IGNORECASE,
)
_WHO_SAYS = re.compile(
    r"^(?:they|he|she|somebody|(?:the|a) \w+)\s+(?:asks?|mentions?|says?|wants?|brings?)\b"
    r"(?:\s+(?:about|for|up|the))*\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Lesson:
    """What was said, and what the answer should have been or lacked or must not hold."""

    said: str
    wanted: str = ""
    missing: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()


# ------------------------------------------------------------------ rules


def learn(instruction: str, lessons: Iterable[Lesson], limit: int = RULES_PER_REFLECTION) -> str:
    """The instruction with at most `limit` lessons added; unchanged if there is nothing to learn."""
    text, learned = instruction.rstrip(), 0
    for lesson in lessons:
        improved = _with_answer(_with_prohibitions(text, lesson), lesson)
        if improved != text:
            text, learned = improved, learned + 1
        if learned >= limit:
            break
    return text if learned else instruction


def write_rule(terms: Iterable[str], order: str) -> str:
    listed = list(terms)
    named = listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} or {listed[-1]}"
    return f"When the caller mentions {named}, {order}"


def _with_prohibitions(text: str, lesson: Lesson) -> str:
    known = read_instruction(text).forbidden
    for phrase in lesson.forbidden:
        if plain(phrase) not in known and plain(phrase) not in plain(lesson.wanted):
            text = _with_line(text, f'Never say "{phrase}".')
    return text


def _with_answer(text: str, lesson: Lesson) -> str:
    """Add or widen a rule, and make sure that it fires on what taught it."""
    if lesson.wanted:
        speech, order = lesson.wanted, f'say: "{lesson.wanted}"'
    elif lesson.missing:
        speech = " ".join(lesson.missing)
        order = "mention: " + ", ".join(f'"{value}"' for value in lesson.missing)
    else:
        return text
    if read_instruction(text).reply_to(lesson.said) == speech:
        return text
    known = next((rule for rule in read_instruction(text).rules if rule.speech == speech), None)
    for terms in _conditions(text, lesson.said, speech, known):
        rule = write_rule(terms, order)
        improved = text.replace(known.source, rule) if known else _with_line(text, rule)
        if read_instruction(improved).reply_to(lesson.said) == speech:
            return improved
    return text


def _conditions(text: str, said: str, wanted: str, known: Rule | None) -> Iterable[list[str]]:
    """Ever narrower conditions for a rule: related words, all telling words, the very sentence."""
    old = _terms_of(known) if known else []
    related, telling = _related_terms(text, said, wanted), _telling_terms(said)
    if related:
        yield _merged(old, related)
    if telling:
        yield _merged(old, telling)
    yield _merged(old, [*telling, f'"{" ".join(said.replace(chr(34), "").split())[:160]}"'])


def _telling_terms(said: str) -> list[str]:
    """Idioms as they were spoken, then single words, the most telling ones first."""
    spoken = [phrase for phrase in idioms(said).values() if len(phrase.split()) > 1]
    covered = {word for phrase in spoken for word in phrase.split()}
    single = [word for word in telling_words(said) if word not in covered]
    single.sort(key=lambda word: (not concepts_of(stem(word)), -len(word)))
    return [*spoken, *single][:4]


def _related_terms(text: str, said: str, wanted: str) -> list[str]:
    """Words of the caller that explain why this is the answer, the most distinctive ones."""
    answer = meaning(wanted)
    related = [
        word
        for word in telling_words(said)
        if stem(word) in answer.stems or concepts_of(stem(word)) & answer.concepts
    ]
    worn = _worn_stems(text, said)
    distinctive = [word for word in related if stem(word) not in worn]
    spoken = [phrase for phrase in idioms(said).values() if len(phrase.split()) > 1]
    return [*spoken[:1], *(distinctive or related)[:3]] or _telling_terms(said)


def _worn_stems(text: str, said: str) -> set[str]:
    """Stems that would not tell this rule from others: used by other rules, or all over the prompt."""
    knowledge = read_instruction(text)
    corrected = knowledge.choose(said)
    others = (rule for rule in knowledge.rules if rule is not corrected)
    used = {root for rule in others for root in meaning(rule.condition).stems}
    counted = Counter(stem(word) for word in words(text))
    return used | {root for root, times in counted.items() if times >= COMMON}


def _terms_of(rule: Rule) -> list[str]:
    listed = _WHO_SAYS.sub("", rule.condition)
    return [term.strip() for term in re.split(r", | or ", listed) if term.strip()]


def _merged(old: list[str], new: list[str]) -> list[str]:
    known = {stem(term) for term in old}
    return [*old, *(term for term in new if stem(term) not in known)][-MOST_TERMS:]


def _with_line(text: str, line: str) -> str:
    opening = "" if HEADING in text else f"\n\n{HEADING}"
    return f"{text}{opening}\n- {line}"


# ------------------------------------------------------------------ reading feedback


def lesson_from(said: str, answered: str, feedback: str) -> Lesson:
    wanted = _WANTED.search(feedback)
    ideal = " ".join(wanted[1].replace('"', "'").split()) if wanted else ""
    if ideal and plain(ideal) in plain(answered):
        ideal = ""
    criticism = feedback[: wanted.start()] if wanted else feedback
    return Lesson(said, ideal, _values(_MISSING, criticism), _values(_FORBIDDEN, criticism))


def _values(pattern: re.Pattern[str], feedback: str) -> tuple[str, ...]:
    """The values that a feedback names: quoted ones, else separated by commas."""
    found: list[str] = []
    for match in pattern.finditer(feedback):
        listed = _QUOTED.findall(match[1]) or re.split(r"[,;]", match[1])
        found += [value.strip() for value in listed if value.strip()]
    return tuple(found)


def lessons_from_feedback(examples: str) -> list[Lesson]:
    """GEPA's `examples_with_feedback`: a JSON list of inputs, outputs and feedback."""
    try:
        listed: object = json.loads(examples)
    except ValueError:
        return []
    if not isinstance(listed, list):
        return []
    found = [
        cast(dict[str, Any], item) for item in cast(list[object], listed) if isinstance(item, dict)
    ]
    return [
        lesson_from(
            _joined(item.get("Inputs")),
            _joined(item.get("Generated Outputs")),
            str(item.get("Feedback", "")),
        )
        for item in found
    ]


def _joined(value: object) -> str:
    if isinstance(value, dict):
        return "\n".join(str(part) for part in cast(dict[str, object], value).values())
    return "" if value is None else str(value)


def lessons_from_examples(text: str) -> list[Lesson]:
    """Python reprs of `dspy.Example`, as MIPROv2 shows its data set."""
    pattern = re.compile(r"Example\((\{.*?\})\) \(input_keys=(\{[^}]*\}|None)\)", re.DOTALL)
    found: list[Lesson] = []
    for match in pattern.finditer(text):
        try:
            values: dict[str, object] = ast.literal_eval(match[1])
            keys: set[str] = ast.literal_eval(match[2]) or set()
        except (ValueError, SyntaxError):
            continue
        said = "\n".join(str(value) for key, value in values.items() if key in keys)
        wanted = next((v for k, v in values.items() if k not in keys and isinstance(v, str)), "")
        if said and wanted:
            found.append(Lesson(said, wanted))
    return found


def lessons_from_demonstrations(text: str) -> list[Lesson]:
    """Pairs of lines `Caller Says: …` and `Reply: …`, as MIPROv2 shows demonstrations."""
    pairs = re.findall(
        r"^[A-Z][\w ]{2,40}:[ ]*(.+)\n[A-Z][\w ]{2,40}:[ ]*(.+)$", text, re.MULTILINE
    )
    return [Lesson(said.strip(), wanted.strip()) for said, wanted in pairs]


def lessons_from_rules(text: str) -> list[Lesson]:
    """Rules stated elsewhere, as lessons: their condition is what was said."""
    return [Lesson(rule.condition, rule.speech) for rule in read_instruction(text).rules]


# ------------------------------------------------------------------ the prompt-writing requests


def reflect(inputs: Mapping[str, str]) -> dict[str, object]:
    """GEPA: a new instruction. One in four is useless, so that candidates get rejected too."""
    current = inputs.get("current_instruction", "")
    examples = inputs.get("examples_with_feedback", "")
    if _chance(current, examples) < USELESS_PERCENT:
        return {"new_instruction": f"{current.rstrip()}\nBe friendly, clear and concise."}
    improved = learn(current, lessons_from_feedback(examples))
    if improved == current:
        improved = f"{current.rstrip()}\nListen carefully before answering."
    return {"new_instruction": improved}


def compress(inputs: Mapping[str, str]) -> dict[str, object]:
    """GEPA with a length limit: the oldest learned rules are dropped first."""
    limit = int(
        next(iter(re.findall(r"\d+", inputs.get("length_limit", "").replace(",", ""))), 2000)
    )
    lines = inputs.get("instruction", "").splitlines()
    while len("\n".join(lines)) > limit:
        learned = next((i for i, line in enumerate(lines) if read_instruction(line).rules), None)
        if learned is None:
            break
        del lines[learned]
    return {"shortened_instruction": "\n".join(lines)[:limit]}


def observe(inputs: Mapping[str, str]) -> dict[str, object]:
    """MIPROv2: what the data set shows."""
    seen = learn(
        "", lessons_from_examples(inputs.get("examples", "")), limit=EXAMPLES_PER_PROPOSAL * 2
    )
    return {
        "observations": seen.replace(HEADING, "").strip() or "What people said, and the replies."
    }


def summarize(inputs: Mapping[str, str]) -> dict[str, object]:
    stated = [rule.source for rule in read_instruction(inputs.get("observations", "")).rules]
    return {
        "summary": "\n".join(f"- {line}" for line in stated) or "What people said, and the replies."
    }


def propose(inputs: Mapping[str, str]) -> dict[str, object]:
    """MIPROv2: an instruction from examples; each tip keeps other facts, so that trials differ."""
    basic = inputs.get("basic_instruction", "").strip()
    described = lessons_from_rules(inputs.get("dataset_description", ""))
    tip = _chance(
        inputs.get("tip", ""), inputs.get("task_demos", ""), inputs.get("previous_instructions", "")
    )
    kept = [lesson for position, lesson in enumerate(described) if (tip >> position % 7) % 3]
    demonstrated = lessons_from_demonstrations(inputs.get("task_demos", ""))
    improved = learn(basic, [*demonstrated, *kept], limit=EXAMPLES_PER_PROPOSAL)
    return {
        "proposed_instruction": improved
        if improved != basic
        else f"{basic}\nBe specific and helpful."
    }


def advise(inputs: Mapping[str, str]) -> dict[str, object]:
    """SIMBA: a rule for each module, from one example and its labels."""
    modules = re.findall(r"[\w.]+", inputs.get("module_names", "")) or ["program"]
    said = _joined(json_object(inputs.get("program_inputs", "")))
    wanted = next(
        (v for v in json_object(inputs.get("oracle_metadata", "")).values() if isinstance(v, str)),
        "",
    )
    rule = learn("", [Lesson(said, wanted)], limit=1) if said and wanted else ""
    advice = (
        rule.replace(HEADING, "").strip().removeprefix("- ") or "Answer what was actually asked."
    )
    return {
        "discussion": "The better reply answered the subject.",
        "module_advice": dict.fromkeys(modules, advice),
    }


WRITERS: dict[str, Callable[[Mapping[str, str]], dict[str, object]]] = {
    "new_instruction": reflect,
    "shortened_instruction": compress,
    "observations": observe,
    "summary": summarize,
    "proposed_instruction": propose,
    "module_advice": advise,
}


def _chance(*parts: str) -> int:
    """0 to 99, always the same for the same texts."""
    return int.from_bytes(hashlib.sha256("\x1f".join(parts).encode()).digest()[:4]) % 100
