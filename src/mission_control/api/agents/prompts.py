"""What a version says to callers: its prompt with demonstrations and memory, and its first message."""

from collections.abc import Mapping
from typing import Any

from mission_control.api.agents.versions import playbook_of
from mission_control.core.agent_context import place
from mission_control.core.playbook import Playbook
from mission_control.data.agents import AgentVersion
from mission_control.integrations.vapi.assistant import OptimizedPrompts


def prompts_of(
    version: AgentVersion, memories: Mapping[str, Any] | None = None
) -> OptimizedPrompts:
    """All that a version puts on an assistant; `memories` as a deployment has recorded them."""
    playbook = playbook_of(version)
    prompt = version.prompt if memories is None else place(version.prompt, memories["text"])
    return OptimizedPrompts(
        system=spoken_prompt(prompt, playbook), first_message=playbook.first_message
    )


def spoken_prompt(prompt: str, playbook: Playbook) -> str:
    """The prompt as a phone bot gets it: with the demonstrations, which DSPy would send apart."""
    if not playbook.demonstrations:
        return prompt
    turns = [
        "\n".join([*(f"Caller: {text}" for text in each.inputs.values()),
                   *(f"You: {text}" for text in each.outputs.values())])
        for each in playbook.demonstrations
    ]  # fmt: skip
    return "\n\n".join([prompt, "Examples of good replies:", *turns])
