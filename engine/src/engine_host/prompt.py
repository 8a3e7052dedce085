"""The prompt that SuperOptiX would make of a playbook, composed as text and without loss."""

from typing import Any

from engine_host.fields import mapping, sequence


def compose(spec: dict[str, Any]) -> str:
    """Persona, reasoning steps, the first task's instruction and the constraints, in SuperOptiX's order.

    Unlike its template this keeps line breaks, and leaves out `Reasoning Method`, which only names
    the module.
    """
    persona = _persona(spec.get("persona"))
    lines = [f"Role: {persona['role']}"]
    lines += [
        f"{label}: {persona[key]}"
        for label, key in (
            ("Instructions", "instructions"),
            ("Goal", "goal"),
            ("Backstory", "backstory"),
        )
        if persona[key]
    ]
    if persona["traits"]:
        lines.append(f"Traits: {persona['traits']}")
    lines += _listed("Reasoning Steps:", mapping(spec.get("reasoning")).get("steps"))
    instruction = _text(mapping(next(iter(sequence(spec.get("tasks"))), None)).get("instruction"))
    if instruction:
        lines.append(f"Task Instruction: {instruction}")
    signature = mapping(mapping(spec.get("dspy")).get("signature"))
    if _text(signature.get("output_mode")).lower() == "structured":
        lines.append("Output Mode: structured")
        lines.append("Return strictly valid JSON-compatible values for output fields.")
    lines += _listed("Constraints:", spec.get("constraints"))
    return "\n".join(lines)


def _persona(value: object) -> dict[str, str]:
    if isinstance(value, str):
        value = {"instructions": value}
    persona = mapping(value)
    traits = persona.get("traits")
    if isinstance(traits, str):
        traits = traits.split(",")
    words = persona.get("instructions") or persona.get("instruction") or persona.get("personality")
    return {
        "role": _text(persona.get("role")) or "AI Assistant",
        "instructions": _text(words),
        "goal": _text(persona.get("goal")),
        "backstory": _text(persona.get("backstory")),
        "traits": ", ".join(text for text in map(_text, sequence(traits)) if text),
    }


def _listed(title: str, values: object) -> list[str]:
    items = [text for text in map(_text, sequence(values)) if text]
    return [title, *(f"- {item}" for item in items)] if items else []


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()
