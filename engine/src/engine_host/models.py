"""Language models that are metered, journaled and never cached by anybody else."""

import hashlib
import random
import re
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Literal, cast

import dspy
from pydantic import BaseModel

from engine_host import answers
from engine_host.answers import Answer
from engine_host.errors import EngineFailure, cleaned, kind_of
from engine_host.gate import Gate
from engine_host.journal import Call, json_text
from engine_host.meter import UNKNOWN_COST, USED, Meter
from mission_control_protocol import ErrorKind, Model

Role = Literal["task", "reflection", "judge", "preflight"]

LAST_IS_CUT: ContextVar[bool] = ContextVar("LAST_IS_CUT", default=False)  # the agent's last answer
_ENTRY: ContextVar[dict[str, Any] | None] = ContextVar("_ENTRY", default=None)
_REASONING = re.compile(r"(^|/)(o[1345](-|$)|gpt-5(?!.*-chat))")
_REASONING_TOKENS = 16_000
_OPENAI_SHAPED = {"openai", "anthropic", "hosted_vllm", "lm_studio", "openrouter", "groq"}
# What another try may mend.
_PASSING = {"rate_limit", "timeout", "transport", "server"}
_CUT_PROPOSAL = "A proposal of the reflection model was cut by its token limit, and is not used."
_DROPPING = threading.Lock()
_NOT_IN_KEY = {"api_key", "api_base", "base_url", "timeout", "engine"}


class MeteredLM(dspy.LM):
    """A model whose every finished call is in the journal before its answer is used."""

    def __init__(self, model: Model, role: Role, meter: Meter, *, judges: bool = False) -> None:
        self._role: Role = role
        self._judges = judges or role == "judge"
        self._meter = meter
        self._price = model.price
        self._retries = model.retries
        self._max_tokens = model.max_tokens
        self._gate = Gate.of(model.name, model.base_url)
        try:
            super().__init__(model=model.name, cache=False, num_retries=0, **_connection(model))
        except Exception as error:
            raise EngineFailure(kind_of(error), cleaned(error)) from error
        self._dropped: dict[str, Any] = {}

    def __call__(self, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> list[Any]:
        key, characters = self._identify(prompt, messages, kwargs)
        repeatable = kwargs.get("temperature", self.kwargs.get("temperature")) == 0
        number, call = self._meter.recall(key, repeatable=repeatable)
        if call is None:
            with self._meter.flight(self._role, characters):
                try:
                    answer = self._answer(prompt, messages, kwargs)
                except Exception as error:
                    self._meter.failed(self._role, error)
                    raise
                call = self._call(key, number, characters, answer)
                self._meter.paid(call)
        if self._role == "task":
            LAST_IS_CUT.set(call.ending == "cut")
        try:
            self._refuse_unusable(call)
        except EngineFailure as failure:
            self._meter.unusable(self._role, failure)
            raise
        return list(call.outputs)

    def _answer(self, prompt: Any, messages: Any, kwargs: dict[str, Any]) -> Answer:
        """Ask until there is an answer: as often as allowed, or as long as the server says when."""
        failures = 0
        while True:
            warmed = "temperature" in self.kwargs
            try:
                return self._asked(prompt, messages, kwargs)
            except Exception as error:
                kind, told = kind_of(error), getattr(error, "retry_after", None)
                if warmed and self._takes_no_temperature(kind, error):
                    with _DROPPING:
                        if "temperature" in self.kwargs:
                            self._dropped["temperature"] = self.kwargs.pop("temperature")
                    continue
                if kind not in _PASSING:
                    raise
                failures += 0 if told is not None else 1
                hopeless = self._gate.seconds_refused() > self._meter.limits.patience
                if failures > self._retries or (told is not None and hopeless):
                    raise
                if told is not None:
                    self._gate.refused(told)
                else:
                    self._meter.sleep(2 ** (failures - 1) * random.uniform(0.5, 1))  # noqa: S311

    def _asked(self, prompt: Any, messages: Any, kwargs: dict[str, Any]) -> Answer:
        waited = self._gate.enter(self._meter.check)
        bucket = USED.get()
        if bucket is not None:
            bucket.waited_seconds += waited
        try:
            _ENTRY.set(None)
            outputs = cast("list[Any]", super().__call__(prompt, messages=messages, **kwargs))
            answer = answers.read(outputs, (_ENTRY.get() or {}).get("response"))
        finally:
            self._gate.leave()
        self._gate.succeeded()
        return answer

    def _takes_no_temperature(self, kind: ErrorKind, error: Exception) -> bool:
        """A judge's temperature is nobody's wish: a model that has one of its own may keep it."""
        refused = kind == "request" and "temperature" in str(error).lower()
        return self._judges and refused

    def _refuse_unusable(self, call: Call) -> None:
        """What was paid and is booked, and yet is no answer."""
        said = any(answers.text_of(output) for output in call.outputs)
        ending = "cut" if self._is_open(call) else call.ending
        if self._role == "preflight" or (ending == "whole" and (said or not call.thinking)):
            return
        if call.ending == "filtered":
            raise EngineFailure(
                "filtered", "The model's provider withheld the answer (content_filter)."
            )
        if call.ending == "refused":
            raise EngineFailure("refused", "The model refused to answer.")
        if not said:
            raise EngineFailure(
                "truncated",
                f"The model used its whole limit of {self._max_tokens} tokens before it said "
                "anything. Raise the limit (max_tokens), or choose a model that thinks less.",
            )
        if self._role == "reflection":
            self._meter.last_failure = _CUT_PROPOSAL
            raise EngineFailure("truncated", _CUT_PROPOSAL)

    def _identify(self, prompt: Any, messages: Any, kwargs: dict[str, Any]) -> tuple[str, int]:
        content = json_text(messages if messages is not None else prompt)
        settings = {**self.kwargs, **self._dropped, **kwargs}
        settings = {
            name: _plain(value) for name, value in settings.items() if name not in _NOT_IN_KEY
        }
        identity = json_text([self._role, self.model, content, settings])
        return hashlib.sha256(identity.encode()).hexdigest(), len(content)

    def _is_open(self, call: Call) -> bool:
        """A proposal as JSON without its end. DSPy would repair it, and half a prompt be adopted."""
        texts = [answers.text_of(output).strip() for output in call.outputs]
        return self._role == "reflection" and any(
            text.startswith("{") and not text.endswith("}") for text in texts
        )

    def _call(self, key: str, number: int, characters: int, answer: Answer) -> Call:
        entry = _ENTRY.get() or {}
        inputs, generated = tokens(cast("dict[str, Any]", entry.get("usage") or {}))
        return Call(
            key=key,
            number=number,
            role=self._role,
            characters=characters,
            outputs=list(answer.outputs),
            input_tokens=inputs,
            output_tokens=generated,
            cost_usd=self._cost(inputs, generated, entry.get("cost")),
            ending=answer.ending,
            thinking=answer.thinking,
        )

    def _cost(self, inputs: int | None, generated: int | None, said: Any) -> float | None:
        if inputs is None or generated is None:
            return None
        if self._price is None:
            return cast("float | None", said)
        price = self._price
        return (inputs * price.input_per_million + generated * price.output_per_million) / 1e6

    def update_history(self, entry: dict[str, Any]) -> None:
        """Take the usage of this call; DSPy's own history would keep every prompt of a long run."""
        _ENTRY.set(entry)

    def __deepcopy__(self, _memo: dict[int, Any]) -> "MeteredLM":
        return cast("MeteredLM", self.copy())  # programs are copied a lot; the meter stays one


def tokens(usage: dict[str, Any]) -> tuple[int | None, int | None]:
    """Input and output tokens. None: the server did not say, and no answer is free.

    What a total holds beyond its parts was thought, and is paid like output.
    """
    inputs, generated, total = (
        usage.get(name) or None for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    )
    if inputs is not None and total is not None and total > inputs:
        generated = max(generated or 0, total - inputs)
    if inputs is None and generated is not None and total is not None and total > generated:
        inputs = total - generated
    return (None, None) if inputs is None or generated is None else (int(inputs), int(generated))


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
    lm = MeteredLM(model, "preflight", meter, judges=name == "judge model")
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
            "Enter its price, or limit the run by calls or minutes."
            if meter.total().input_tokens is not None
            else UNKNOWN_COST,
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
