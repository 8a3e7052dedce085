"""Which language model plays which part, by playbook, settings and request."""

from mission_control.core.playbook_parts import LanguageModel
from mission_control.core.setting_values import SANDBOX_MODEL
from mission_control.core.settings import Settings
from mission_control_protocol import Model, Price

REFLECTION_TEMPERATURE = 1.0
REFLECTION_MAX_TOKENS = 8_000
DEFAULT_MODEL = "openai/gpt-4o-mini"


def task_model(settings: Settings, asked: LanguageModel, *, override: str | None = None) -> Model:
    """The model that plays the agent: as asked for, as configured, or as the playbook says."""
    return _model(
        settings,
        override or _task_model_name(settings, asked),
        temperature=asked.temperature if asked.temperature is not None else 0.0,
        max_tokens=asked.max_tokens or 400,
    )


def reflection_model(settings: Settings, task: Model, *, override: str | None = None) -> Model:
    """The model that writes better prompts."""
    return _model(
        settings,
        override or settings.mc_reflection_model or task.name,
        temperature=REFLECTION_TEMPERATURE,
        max_tokens=REFLECTION_MAX_TOKENS,
    )


def judge_model(settings: Settings, task: Model) -> Model:
    """The model that decides `judge` checks."""
    return _model(
        settings,
        settings.mc_judge_model or task.name,
        temperature=settings.mc_judge_temperature,
        max_tokens=settings.mc_judge_max_tokens,
    )


def _task_model_name(settings: Settings, asked: LanguageModel) -> str:
    if settings.mc_model is not None:
        return settings.mc_model
    if settings.model_is_stand_in:
        return SANDBOX_MODEL
    if asked.provider == "openai" and asked.model is not None:
        return f"openai/{asked.model}"
    return DEFAULT_MODEL


def _model(settings: Settings, name: str, *, temperature: float, max_tokens: int) -> Model:
    price = settings.price_of(name)
    key = settings.openai_api_key
    return Model(
        name=name,
        base_url=settings.model_base_url,
        api_key=key if key is not None else Model.model_fields["api_key"].default,
        temperature=temperature,
        max_tokens=max_tokens,
        price=Price(**price.model_dump()) if price is not None else None,
    )
