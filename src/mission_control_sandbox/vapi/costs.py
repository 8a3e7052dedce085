"""What a call costs, in ten-thousandths of a dollar, so that the parts add up exactly."""

from collections.abc import Mapping
from typing import Any

from mission_control_sandbox.world.conversations import Conversation

UNITS_PER_DOLLAR = 10_000
TRANSPORT, TRANSCRIBER, PLATFORM = 145, 100, 500  # per minute
VOICE_PER_CHARACTER, PROMPT_PER_TOKEN, COMPLETION_PER_TOKEN = 0.5, 0.0015, 0.006
SYSTEM_TOKENS, TOKENS_PER_WORD = 780, 1.35
ANALYSES = (("summary", 31, 620, 58), ("successEvaluation", 24, 540, 4))

Json = dict[str, Any]
NOTHING: Mapping[str, Any] = {
    "transport": 0,
    "stt": 0,
    "llm": 0,
    "tts": 0,
    "vapi": 0,
    "chat": 0,
    "total": 0,
    "llmPromptTokens": 0,
    "llmCompletionTokens": 0,
    "llmCachedPromptTokens": 0,
    "ttsCharacters": 0,
}


def costs(conversation: Conversation, *, provider: str, model: Json, voice: Json) -> Json:
    """The fields `cost`, `costBreakdown` and `costs` of a call. A call nobody answered is free."""
    if conversation.started_at is None or conversation.ended_at is None:
        return {"cost": 0, "costBreakdown": dict(NOTHING), "costs": []}
    minutes = (conversation.ended_at - conversation.started_at).total_seconds() / 60
    spoken = [turn.text for turn in conversation.turns if turn.speaker == "bot"]
    characters, words = sum(map(len, spoken)), sum(text.count(" ") + 1 for text in spoken)
    completion = round(words * TOKENS_PER_WORD)
    prompt = SYSTEM_TOKENS * len(spoken) + completion * len(spoken) // 2
    analyses = ANALYSES if conversation.summary else ()
    parts = {
        "transport": round(minutes * TRANSPORT),
        "stt": round(minutes * TRANSCRIBER),
        "llm": round(prompt * PROMPT_PER_TOKEN + completion * COMPLETION_PER_TOKEN),
        "tts": round(characters * VOICE_PER_CHARACTER),
        "vapi": round(minutes * PLATFORM),
    }
    total = sum(parts.values()) + sum(units for _, units, _, _ in analyses)
    minutes = round(minutes, 4)
    return {
        "cost": _dollars(total),
        "costBreakdown": {
            **{name: _dollars(units) for name, units in parts.items()},
            "chat": 0,
            "total": _dollars(total),
            "llmPromptTokens": prompt,
            "llmCompletionTokens": completion,
            "llmCachedPromptTokens": 0,
            "ttsCharacters": characters,
            "analysisCostBreakdown": _analysis_breakdown(analyses),
        },
        "costs": [
            {"type": "transport", "provider": provider, "minutes": minutes, "cost": _dollars(parts["transport"])},
            {"type": "transcriber", "transcriber": {"provider": "deepgram", "model": "nova-3"}, "minutes": minutes, "cost": _dollars(parts["stt"])},
            {"type": "model", "model": model, "promptTokens": prompt, "completionTokens": completion, "cachedPromptTokens": 0, "cost": _dollars(parts["llm"])},
            {"type": "voice", "voice": voice, "characters": characters, "cost": _dollars(parts["tts"])},
            {"type": "vapi", "subType": "normal", "minutes": minutes, "cost": _dollars(parts["vapi"])},
            *(
                {"type": "analysis", "analysisType": kind, "model": model, "promptTokens": asked, "completionTokens": said, "cost": _dollars(units)}
                for kind, units, asked, said in analyses
            ),
        ],
    }  # fmt: skip


def _analysis_breakdown(analyses: tuple[tuple[str, int, int, int], ...]) -> Json:
    breakdown: Json = {"structuredData": 0, "structuredOutput": 0}
    for kind, units, asked, said in analyses:
        breakdown[kind] = _dollars(units)
        breakdown[f"{kind}PromptTokens"], breakdown[f"{kind}CompletionTokens"] = asked, said
    return breakdown


def _dollars(units: int) -> float:
    return units / UNITS_PER_DOLLAR
