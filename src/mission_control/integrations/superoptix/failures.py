"""Says what went wrong in the engine in words that an operator can act on."""

from typing import Any

from mission_control.integrations.errors import SuperOptiXError
from mission_control_protocol import ErrorKind, Usage

UNCHANGED = "Nothing was changed."

# What happened, and what to do next. Between the two stands what was kept.
_SENTENCES: dict[ErrorKind, tuple[str, str]] = {
    "transport": (
        "The model could not be reached",
        "Check OPENAI_BASE_URL and the network, then start again.",
    ),
    "timeout": ("The model did not answer in time", "Start again, or choose a faster model."),
    "server": ("The model's server failed", "Start again in a minute."),
    "auth": ("The model refused the credentials", "Check OPENAI_API_KEY."),
    "rate_limit": (
        "The model's rate limit is used up",
        "Wait a minute, or run fewer scenarios at once.",
    ),
    "billing": (
        "The model's account has no credit left",
        "Settle it with the provider, then start again.",
    ),
    "format": (
        "The model answered in a form that cannot be read",
        "Choose another model, or simplify the agent's output fields.",
    ),
    "truncated": (
        "The model's answer was cut by its token limit",
        "Raise max_tokens, or ask for shorter replies.",
    ),
    "filtered": (
        "The model's provider withheld the answer",
        "Look at what was asked, or choose another model.",
    ),
    "refused": (
        "The model refused to answer",
        "Look at what was asked, or choose another model.",
    ),
    "config": ("These settings cannot work", "Correct them, then start again."),
    "request": (
        "The model's server refused the request",
        "Check the model's name and what the playbook asks of it.",
    ),
    "playbook": ("The playbook cannot be compiled", "Correct it, then start again."),
    "reflection": (
        "The reflection model failed three times in a row",
        "Check MC_REFLECTION_MODEL, then start again.",
    ),
    "unreliable": (
        "So many model calls failed that scores would be noise",
        "Start again when the model is reliable.",
    ),
    "budget": (
        "The budget was used up before anything could be measured",
        "Raise it, then start again.",
    ),
    "cancelled": ("It was cancelled", "Start it again to go on."),
    "crashed": ("The engine process ended unexpectedly", "Start it again."),
    "internal": ("The engine failed by a fault of its own", "Its log says more; report it."),
}
# For the other kinds the sentence says it all; the detail travels in `fields`.
_DETAIL_MATTERS: frozenset[ErrorKind] = frozenset(
    ("config", "request", "playbook", "format", "reflection", "budget", "crashed", "internal")
)


def failure(
    kind: ErrorKind, detail: str = "", *, kept: str = UNCHANGED, usage: Usage | None = None
) -> SuperOptiXError:
    """The error to raise. `fields` has `kind`, `detail` and, once the engine has worked, `usage`."""
    what, next_step = _SENTENCES[kind]
    detail = detail.strip()
    if detail and kind in _DETAIL_MATTERS:
        said = detail.removeprefix(f"{what}: ")
        what = f"{what}: {said.rstrip('.')}"
    fields: dict[str, Any] = {"detail": detail}
    if usage is not None:
        fields["usage"] = usage.model_dump()
    return SuperOptiXError(f"{what}. {kept} {next_step}", kind=kind, **fields)
