"""The routes of the vendor."""

from collections.abc import Awaitable, Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from mission_control.core.clock import utc_now
from mission_control_sandbox.server import as_json
from mission_control_sandbox.vapi import artifacts, chats
from mission_control_sandbox.vapi.queries import Stored, envelope, newest, read_query
from mission_control_sandbox.vapi.refusals import RefusalError
from mission_control_sandbox.vapi.requests import body_of, here, of

Answer = Callable[[Request], Awaitable[Response]]

ALLOCATION_FILTERS = frozenset({"assistantId"})
CHAT_FILTERS = frozenset(
    {"id", "assistantId", "assistantIdAny", "squadId", "sessionId", "previousChatId", "idAny"}
)
SESSION_FILTERS = frozenset(
    {"id", "name", "assistantId", "assistantIdAny", "squadId", "phoneNumberId", "idAny"}
)
CONTENT_FILTERS = frozenset({"id", "name"})


def routes() -> list[Route]:
    return [
        Route("/assistant", _list_assistants),
        Route("/assistant", _create_assistant, methods=["POST"]),
        Route("/assistant/{id}", _get_assistant, methods=["GET"]),
        Route("/assistant/{id}", _update_assistant, methods=["PATCH"]),
        Route("/assistant/{id}", _delete_assistant, methods=["DELETE"]),
        Route("/call", _list_calls),
        Route("/call", _place_call, methods=["POST"]),
        Route("/call/{id}", _get_call),
        Route("/call/{id}", _rename_call, methods=["PATCH"]),
        Route("/call/{id}", _delete_call, methods=["DELETE"]),
        *(Route(f"/call/{{id}}/{name}", _artifact(name)) for name in artifacts.ROUTES),
        Route("/chat", _list_chats),
        Route("/chat", _chat, methods=["POST"]),
        Route("/chat/{id}", _get_chat),
        Route("/chat/{id}", _delete_chat, methods=["DELETE"]),
        Route("/session", _list_sessions),
        Route("/session", _open_session, methods=["POST"]),
        Route("/session/{id}", _get_session),
        Route("/session/{id}", _change_session, methods=["PATCH"]),
        Route("/session/{id}", _close_session, methods=["DELETE"]),
        Route("/traffic-allocations", _list_allocations),
        Route("/traffic-allocations", _allocate, methods=["POST"]),
        Route("/traffic-allocations/latest", _latest_allocation),
        Route("/traffic-allocations/{id}", _get_allocation),
        Route("/v2/phone-number", _enveloped("phone-number", frozenset({"search"}))),
        *_collection("phone-number", _array("phone-number")),
        *_collection("tool", _array("tool")),
        *_collection("squad", _array("squad", frozenset({"idAny"}))),
        Route("/file", _array("file", frozenset({"purpose"}))),
        Route("/credential", _array("credential")),
        *_collection("structured-output", _enveloped("structured-output", CONTENT_FILTERS)),
        *(
            Route(f"/{name}", _enveloped(name, CONTENT_FILTERS))
            for name in (
                "eval/simulation/personality",
                "eval/simulation/scenario",
                "eval/simulation/suite",
                "eval/simulation",
                "eval",
            )
        ),
    ]


# ---------------------------------------------------------------- assistants


async def _list_assistants(request: Request) -> Response:
    return as_json(of(request).assistants.page(request.query_params))


async def _create_assistant(request: Request) -> Response:
    return as_json(of(request).assistants.create(await body_of(request)), 201)


async def _get_assistant(request: Request) -> Response:
    return as_json(of(request).assistants.get(here(request)))


async def _update_assistant(request: Request) -> Response:
    return as_json(of(request).assistants.update(here(request), await body_of(request)))


async def _delete_assistant(request: Request) -> Response:
    return as_json(of(request).assistants.delete(here(request)))


# ---------------------------------------------------------------- calls


async def _list_calls(request: Request) -> Response:
    return as_json(of(request).calls.page(request.query_params))


async def _place_call(request: Request) -> Response:
    return as_json(of(request).exchange.place(await body_of(request)), 201)


async def _get_call(request: Request) -> Response:
    return as_json(of(request).calls.get(here(request)))


async def _rename_call(request: Request) -> Response:
    return as_json(of(request).calls.rename(here(request), await body_of(request)))


async def _delete_call(request: Request) -> Response:
    body = await body_of(request, optional=True)
    return as_json(of(request).calls.delete(here(request), body))


def _artifact(name: str) -> Answer:
    async def redirect(request: Request) -> Response:
        placed = of(request).calls.content(here(request))
        place = artifacts.place_of(placed, name, utc_now())
        return RedirectResponse(f"{str(request.base_url).rstrip('/')}{place}", status_code=302)

    return redirect


# ---------------------------------------------------------------- chats and sessions


async def _list_chats(request: Request) -> Response:
    return _paged(request, of(request).chats.chats.values(), CHAT_FILTERS)


async def _chat(request: Request) -> Response:
    body = await body_of(request)
    chat = of(request).chats.talk(body)
    if body.get("stream"):
        return StreamingResponse(chats.events(chat), media_type="text/event-stream")
    return as_json(chat, 201)


async def _get_chat(request: Request) -> Response:
    return as_json(of(request).chats.chat(here(request)))


async def _delete_chat(request: Request) -> Response:
    return as_json(of(request).chats.forget_chat(here(request)))


async def _list_sessions(request: Request) -> Response:
    return _paged(request, of(request).chats.sessions.values(), SESSION_FILTERS)


async def _open_session(request: Request) -> Response:
    return as_json(of(request).chats.open_session(await body_of(request)), 201)


async def _get_session(request: Request) -> Response:
    return as_json(of(request).chats.session(here(request)))


async def _change_session(request: Request) -> Response:
    return as_json(of(request).chats.change_session(here(request), await body_of(request)))


async def _close_session(request: Request) -> Response:
    return as_json(of(request).chats.close_session(here(request)))


# ---------------------------------------------------------------- traffic


async def _list_allocations(request: Request) -> Response:
    return _paged(request, of(request).traffic.all(), ALLOCATION_FILTERS)


async def _allocate(request: Request) -> Response:
    return as_json(of(request).traffic.create(await body_of(request)), 201)


async def _latest_allocation(request: Request) -> Response:
    assistant_id = request.query_params.get("assistantId")
    if not assistant_id:
        raise RefusalError(400, ["assistantId must be a string"])
    return as_json(of(request).traffic.latest(assistant_id))


async def _get_allocation(request: Request) -> Response:
    return as_json(of(request).traffic.get(here(request)))


# ---------------------------------------------------------------- collections


def _collection(name: str, listed: Answer) -> list[Route]:
    """A list, and everything that is done with one of it."""

    async def create(request: Request) -> Response:
        return as_json(of(request).records[name].create(await body_of(request)), 201)

    async def get(request: Request) -> Response:
        return as_json(of(request).records[name].get(here(request)))

    async def update(request: Request) -> Response:
        return as_json(of(request).records[name].update(here(request), await body_of(request)))

    async def delete(request: Request) -> Response:
        return as_json(of(request).records[name].delete(here(request)))

    return [
        Route(f"/{name}", listed),
        Route(f"/{name}", create, methods=["POST"]),
        Route(f"/{name}/{{id}}", get),
        Route(f"/{name}/{{id}}", update, methods=["PATCH"]),
        Route(f"/{name}/{{id}}", delete, methods=["DELETE"]),
    ]


def _array(name: str, filters: AbstractSet[str] = frozenset()) -> Answer:
    async def listed(request: Request) -> Response:
        query = read_query(request.query_params, also=filters)
        return as_json(newest(of(request).records[name].all(), query))

    return listed


def _enveloped(name: str, filters: AbstractSet[str]) -> Answer:
    async def listed(request: Request) -> Response:
        return _paged(request, of(request).records[name].all(), filters)

    return listed


def _paged(request: Request, found: Iterable[Stored], filters: AbstractSet[str]) -> Response:
    asked = {key: value for key, value in request.query_params.items() if key in filters}
    passing = [one for one in found if _matches(one, asked)]
    return as_json(envelope(passing, request.query_params, also=filters))


def _matches(one: Stored, asked: dict[str, str]) -> bool:
    return all(_matches_one(one, key, value) for key, value in asked.items())


def _matches_one(one: Stored, key: str, value: str) -> bool:
    if key == "search":
        wanted: tuple[Any, ...] = (one.get("name", ""), one.get("number", ""))
        return any(value.lower() in str(text).lower() for text in wanted)
    if key.endswith("Any"):
        return str(one.get(key.removesuffix("Any"))) in value.split(",")
    return str(one.get(key)) == value
