"""Language models that are metered, journaled and never cached by anybody else."""

import hashlib
import re
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Literal, cast

import dspy
from pydantic import BaseModel

from engine_host.errors import EngineFailure, cleaned, kind_of
from engine_host.journal import Call, json_text
from engine_host.meter import Meter
from mission_control_protocol import Model

Role = Literal["task", "reflection", "judge", "preflight"]

_ENTRY: ContextVar[dict[str, Any] | None] = ContextVar("_ENTRY", default=None)
_REASONING = re.compile(r"(^|/)(o[1345](-|$)|gpt-5(?!.*-chat))")
_REASONING_TOKENS = 16_000
_OPENAI_SHAPED = {"openai", "anthropic", "hosted_vllm", "lm_studio", "openrouter", "groq"}
_NOT_IN_KEY = {"api_key", "api_base", "base_url", "timeout", "engine"}


class MeteredLM(dspy.LM):
    """A model whose every finished call is in the journal before its answer is used."""

    def __init__(self, model: Model, role: Role, meter: Meter) -> None:
        self._role: Role = role
        self._meter = meter
        self._price = model.price
        try:
            super().__init__(
                model=model.name, cache=False, num_retries=model.retries, **_connection(model)
            )
        except Exception as error:
            raise EngineFailure(kind_of(error), cleaned(error)) from error

    def __call__(self, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> list[Any]:
        key, characters = self._identify(prompt, messages, kwargs)
        repeatable = kwargs.get("temperature", self.kwargs.get("temperature")) == 0
        number, known = self._meter.recall(key, repeatable=repeatable)
        if known is not None:
            return list(known.outputs)
        with self._meter.flight(self._role, characters):
            _ENTRY.set(None)
            try:
                outputs = cast("list[Any]", super().__call__(prompt, messages=messages, **kwargs))
            except Exception as error:
                self._meter.failed(self._role, error)
                raise
            self._meter.paid(self._call(key, number, characters, outputs))
        return outputs

    def _identify(self, prompt: Any, messages: Any, kwargs: dict[str, Any]) -> tuple[str, int]:
        content = json_text(messages if messages is not None else prompt)
        settings = {**self.kwargs, **kwargs}
        settings = {
            name: _plain(value) for name, value in settings.items() if name not in _NOT_IN_KEY
        }
        identity = json_text([self._role, self.model, content, settings])
        return hashlib.sha256(identity.encode()).hexdigest(), len(content)

    def _call(self, key: str, number: int, characters: int, outputs: list[Any]) -> Call:
        entry = _ENTRY.get() or {}
        usage = cast("dict[str, Any]", entry.get("usage") or {})
        inputs = int(usage.get("prompt_tokens") or 0)
        generated = int(usage.get("completion_tokens") or 0)
        cost = cast("float | None", entry.get("cost"))
        if self._price is not None:
            price = self._price
            cost = (inputs * price.input_per_million + generated * price.output_per_million) / 1e6
        return Call(
            key=key,
            number=number,
            role=self._role,
            characters=characters,
            outputs=outputs,
            input_tokens=inputs,
            output_tokens=generated,
            cost_usd=cost,
        )

    def update_history(self, entry: dict[str, Any]) -> None:
        """Take the usage of this call; DSPy's own history would keep every prompt of a long run."""
        _ENTRY.set(entry)

    def __deepcopy__(self, _memo: dict[int, Any]) -> "MeteredLM":
        return cast("MeteredLM", self.copy())  # programs are copied a lot; the meter stays one


def _plain(value: Any) -> Any:
    if isinstance(value, type) and issubclass(value, BaseModel):
        return value.model_json_schema()
    return value


def _connection(model: Model) -> dict[str, Any]:
    """Base URL, key and generation settings, in the form that DSPy's own client needs."""
    vendor = model.name.split("/", 1)[0]
    key, base = model.api_key.get_secret_value(), model.base_url
    settings: dict[str, Any] = {"timeout": model.timeout_seconds}
    if _REASONING.search(model.name):  # these take no temperature, and think within their tokens
        settings["max_tokens"] = max(model.max_tokens, _REASONING_TOKENS)
    else:
        settings |= {"temperature": model.temperature, "max_tokens": model.max_tokens}
    if vendor in {"ollama", "ollama_chat"}:
        base, key = _versioned(base or "http://127.0.0.1:11434"), key or "ollama"
    elif base and vendor in _OPENAI_SHAPED:
        base, key = _versioned(base), key or "none"
    if base:
        settings["api_base"] = base
    if key:
        settings["api_key"] = key
    return settings


def _versioned(base_url: str) -> str:
    base = base_url.rstrip("/")
    return base if re.search(r"/v\d+\w*$", base) else base + "/v1"


_PREFLIGHT = (
    "Reply with the single word: ready",
    "Please reply with one word: ready",
    "Say the word: ready",
)
_MAY_ANSWER_ANOTHER = "server"


def preflight(model: Model, meter: Meter, *, name: str, must_be_priced: bool) -> None:
    """One cheap call, so that a model that cannot work is told in a second, not after 400 zero scores.

    A server that fails is asked two more questions: a model that answers some of them is not dead.
    How much of it can be measured is then counted, and too little ends as `unreliable`.
    """
    lm = MeteredLM(model, "preflight", meter)
    limits = {} if _REASONING.search(model.name) else {"max_tokens": 16}
    failures = list(_failures(lm, limits))
    if len(failures) == len(_PREFLIGHT) or (
        failures and kind_of(failures[-1]) != _MAY_ANSWER_ANOTHER
    ):
        raise EngineFailure(
            kind_of(failures[-1]),
            f"The {name} {model.name} cannot be used: {cleaned(failures[-1])}",
        ) from failures[-1]
    if must_be_priced and meter.total().cost_usd is None:
        raise EngineFailure(
            "config",
            f"The {name} {model.name} has no known price, so a limit in USD cannot be kept. "
            "Enter its price, or limit the run by calls or minutes.",
        )


def _failures(lm: MeteredLM, limits: dict[str, int]) -> Iterator[Exception]:
    """Why questions were not answered, up to the first answer or a refusal that will not change."""
    for question in _PREFLIGHT:
        try:
            lm(question, **limits)
        except Exception as error:  # noqa: BLE001 - whatever a vendor's client raises
            yield error
            if kind_of(error) != _MAY_ANSWER_ANOTHER:
                return
        else:
            return
