"""A stand-in for an OpenAI-compatible model server: deterministic, offline, and open about what it is."""

import argparse
import asyncio
import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from mission_control_sandbox.model.answering import NONSENSE, answer
from mission_control_sandbox.server import MARK, serve_app

SLOW_MS = 800
FAILS_EVERY = {"down": 1, "flaky": 7}
MODELS = ("1", "slow", "flaky", "half", "down", "broken", "unauthorised")
CHARACTERS_PER_TOKEN = 4
CLIENT_HAS_GONE = 499


class RefusalError(Exception):
    """An error in OpenAI's form."""

    def __init__(self, status: int, message: str, kind: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": None, "code": code}}


@dataclass
class Statistics:
    """What was asked of this server. A request is repeated when the same one was answered before.

    It is abandoned when its client had gone before the answer was ready: nobody was answered.
    """

    calls: int = 0
    errors: int = 0
    abandoned: int = 0
    by_model: Counter[str] = field(default_factory=Counter[str])
    repeated_requests: int = 0
    max_inflight: int = 0
    inflight: int = 0
    answered: set[bytes] = field(default_factory=set[bytes])

    def begin(self, model: str) -> None:
        self.calls += 1
        self.by_model[model] += 1
        self.inflight += 1
        self.max_inflight = max(self.max_inflight, self.inflight)

    def answer(self, digest: bytes) -> None:
        self.repeated_requests += digest in self.answered
        self.answered.add(digest)

    def shown(self) -> dict[str, object]:
        return {
            "calls": self.calls,
            "errors": self.errors,
            "abandoned": self.abandoned,
            "by_model": dict(self.by_model),
            "distinct_requests": len(self.answered),
            "repeated_requests": self.repeated_requests,
            "max_inflight": self.max_inflight,
        }


@dataclass(frozen=True)
class Completion:
    """One answer with its cost in tokens."""

    id: str
    created: int
    model: str
    text: str
    prompt_tokens: int

    @property
    def usage(self) -> dict[str, int]:
        spoken = tokens(self.text)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": spoken,
            "total_tokens": self.prompt_tokens + spoken,
        }

    def whole(self) -> dict[str, object]:
        message = {"role": "assistant", "content": self.text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self.usage}

    async def chunks(self, *, include_usage: bool) -> AsyncIterator[str]:
        """Server-sent events, one per word."""
        yield self._chunk({"role": "assistant", "content": ""})
        for word in re.findall(r"\s*\S+\s*", self.text):
            yield self._chunk({"content": word})
        yield self._chunk({}, "stop")
        if include_usage:
            head = self._head("chat.completion.chunk")
            yield f"data: {json.dumps({**head, 'choices': [], 'usage': self.usage})}\n\n"
        yield "data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, str], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return (
            f"data: {json.dumps({**self._head('chat.completion.chunk'), 'choices': [choice]})}\n\n"
        )

    def _head(self, kind: str) -> dict[str, object]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": "stand-in",
        }


class ModelServer:
    """The routes and what they remember."""

    def __init__(self, latency_ms: float) -> None:
        self._latency_ms = latency_ms
        self._statistics = Statistics()
        self._numbers = count(1)

    async def complete(self, request: Request) -> Response:
        body = await _json_body(request)
        model, messages = _model(body), _messages(body)
        self._statistics.begin(model)
        try:
            digest = hashlib.blake2b(_canonical(body), digest_size=16).digest()
            self._refuse_if_asked(model, digest)
            await self._think(model, digest)
            if await request.is_disconnected():
                self._statistics.abandoned += 1
                return Response(status_code=CLIENT_HAS_GONE)
            completion = self._completion(model, messages)
            self._statistics.answer(digest)
        except RefusalError:
            self._statistics.errors += 1
            raise
        finally:
            self._statistics.inflight -= 1
        if not body.get("stream"):
            return JSONResponse(completion.whole(), headers=MARK)
        options = body.get("stream_options")
        include = isinstance(options, dict) and bool(
            cast(dict[str, object], options).get("include_usage")
        )
        chunks = completion.chunks(include_usage=include)
        return StreamingResponse(chunks, media_type="text/event-stream", headers=MARK)

    async def models(self, _: Request) -> Response:
        listed = [
            {
                "id": f"sandbox-{name}",
                "object": "model",
                "created": 0,
                "owned_by": "mission-control stand-in",
            }
            for name in MODELS
        ]
        return JSONResponse({"object": "list", "data": listed}, headers=MARK)

    async def statistics(self, _: Request) -> Response:
        return JSONResponse(self._statistics.shown(), headers=MARK)

    async def reset(self, _: Request) -> Response:
        self._statistics = Statistics(inflight=self._statistics.inflight)
        return JSONResponse(self._statistics.shown(), headers=MARK)

    async def health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok", "stand_in": True}, headers=MARK)

    def _refuse_if_asked(self, model: str, digest: bytes) -> None:
        mode = _mode(model)
        if mode == "unauthorised":
            text = "Incorrect API key provided. This is the stand-in's unauthorised model."
            raise RefusalError(401, text, "invalid_request_error", "invalid_api_key")
        every = FAILS_EVERY.get(mode)
        # `half` refuses the same requests every time, so that trying again does not help.
        refused_for_good = mode == "half" and digest[0] % 2 == 1
        if refused_for_good or (every and self._statistics.by_model[model] % every == 0):
            raise RefusalError(503, "The stand-in simulates an outage.", "server_error")

    async def _think(self, model: str, digest: bytes) -> None:
        """Wait 70 to 130 % of the latency, decided by the request so that runs are repeatable."""
        latency = self._latency_ms + (SLOW_MS if _mode(model) == "slow" else 0)
        if latency:
            await asyncio.sleep(latency / 1000 * (0.7 + digest[0] / 255 * 0.6))

    def _completion(self, model: str, messages: list[Mapping[str, Any]]) -> Completion:
        text = NONSENSE if _mode(model) == "broken" else answer(messages)
        number, asked = next(self._numbers), tokens(json.dumps(messages, ensure_ascii=False))
        return Completion(f"chatcmpl-standin-{number}", int(time.time()), model, text, asked)


def create_app(*, latency_ms: float = 0) -> Starlette:
    """The ASGI application, with its own counters."""
    server = ModelServer(latency_ms)
    routes = [
        Route("/v1/chat/completions", server.complete, methods=["POST"]),
        Route("/v1/models", server.models),
        Route("/stats", server.statistics),
        Route("/stats/reset", server.reset, methods=["POST"]),
        Route("/health", server.health),
    ]
    handlers = {RefusalError: _refused, HTTPException: _not_served}
    return Starlette(routes=routes, exception_handlers=cast(Any, handlers))


def serve(*, port: int, latency_ms: float = 0, host: str = "127.0.0.1") -> None:
    """Serve until the process is told to stop."""
    serve_app(create_app(latency_ms=latency_ms), port=port, host=host)


def tokens(text: str) -> int:
    return max(1, -(-len(text) // CHARACTERS_PER_TOKEN))


def _mode(model: str) -> str:
    return model.rpartition("-")[2]


def _canonical(body: dict[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True).encode()


async def _json_body(request: Request) -> dict[str, Any]:
    try:
        body: object = json.loads(await request.body())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise RefusalError(
            400, "The body of the request is not a JSON object.", "invalid_request_error"
        )
    return cast(dict[str, Any], body)


def _model(body: dict[str, Any]) -> str:
    if not isinstance(body.get("model"), str):
        raise RefusalError(400, "You must provide a model parameter.", "invalid_request_error")
    return cast(str, body["model"])


def _messages(body: dict[str, Any]) -> list[Mapping[str, Any]]:
    listed = body.get("messages")
    if not isinstance(listed, list) or not all(
        isinstance(m, dict) for m in cast(list[object], listed)
    ):
        raise RefusalError(
            400, "You must provide a messages parameter: a list.", "invalid_request_error"
        )
    return cast(list[Mapping[str, Any]], listed)


async def _refused(_: Request, refusal: RefusalError) -> Response:
    return JSONResponse(refusal.body, status_code=refusal.status, headers=MARK)


async def _not_served(request: Request, error: HTTPException) -> Response:
    text = f"Invalid URL ({request.method} {request.url.path})"
    refusal = RefusalError(error.status_code, text, "invalid_request_error")
    return JSONResponse(refusal.body, status_code=error.status_code, headers=MARK)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency-ms", type=float, default=0)
    options = parser.parse_args()
    serve(port=options.port, latency_ms=options.latency_ms)


if __name__ == "__main__":
    main()
