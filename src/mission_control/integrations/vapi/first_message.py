"""When an assistant's first message is not what callers hear first."""

from mission_control.core.json_types import JsonObject
from mission_control.integrations.vapi.assistant import text_of

MODEL_SPEAKS_FIRST = "assistant-speaks-first-with-model-generated-message"
CALLER_SPEAKS_FIRST = "assistant-waits-for-user"


def unheard_first_message(assistant: JsonObject) -> list[str]:
    """Why nobody hears the first message, in a sentence; empty where it is spoken."""
    mode = text_of(assistant, "firstMessageMode")
    reason = {
        MODEL_SPEAKS_FIRST: "the model makes up its own first words",
        CALLER_SPEAKS_FIRST: "the assistant waits for the caller to speak",
    }.get(mode or "")
    if reason is None:
        return []
    return [
        f"Nobody will hear the first message: {reason} (`firstMessageMode` is `{mode}` at Vapi). "
        "Change the mode there if it should be spoken."
    ]
