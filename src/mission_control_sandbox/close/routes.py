"""The vendor's own routes, under `/api/v1/`."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from mission_control_sandbox.close import lists, organization
from mission_control_sandbox.close.errors import invalid_field, not_found
from mission_control_sandbox.close.paging import cut_down, envelope, wanted_fields
from mission_control_sandbox.close.records import (
    Record,
    contact_as_json,
    has_recording,
    lead_as_json,
)
from mission_control_sandbox.close.requests import author, body_of, of, offset, origin
from mission_control_sandbox.close.search import Search
from mission_control_sandbox.server import as_json


def routes() -> list[Route]:
    vendor = [
        ("me/", {"GET": _me}),
        ("user/", {"GET": _users}),
        ("user/{id}/", {"GET": _user}),
        ("status/lead/", {"GET": _statuses}),
        ("custom_field/lead/", {"GET": _custom_fields}),
        ("custom_field/lead/{id}/", {"GET": _custom_field}),
        ("custom_field_schema/lead/", {"GET": _custom_field_schema}),
        ("lead/", {"GET": _leads, "POST": _create_lead}),
        ("lead/merge/", {"POST": _merge_leads}),
        ("lead/{id}/", {"GET": _get_lead, "PUT": _update_lead, "DELETE": _delete_lead}),
        ("contact/", {"GET": _contacts, "POST": _create_contact}),
        ("contact/{id}/", {"GET": _get_contact, "PUT": _update_contact, "DELETE": _delete_contact}),
        ("activity/call/", {"GET": _calls, "POST": _log_call}),
        ("activity/call/{id}/", {"GET": _get_call, "PUT": _update_call, "DELETE": _delete_call}),
        ("call/{id}/recording/", {"GET": _recording}),
        ("data/search/", {"POST": _search}),
        ("event/", {"GET": _events}),
        ("event/{id}/", {"GET": _event}),
        ("webhook/", {"GET": _webhooks, "POST": _create_webhook}),
        ("webhook/{id}/", {"GET": _get_webhook, "PUT": _update_webhook, "DELETE": _delete_webhook}),
    ]
    return [
        Route(f"/api/v1/{path}", endpoint, methods=[method])
        for path, endpoints in vendor
        for method, endpoint in endpoints.items()
    ]


# ---------------------------------------------------------------- who it is


async def _me(_request: Request) -> Response:
    own = {"id": organization.ORGANIZATION_ID, "name": organization.ORGANIZATION_NAME}
    return as_json(organization.KEY_OWNER.as_json() | {"organizations": [own]})


async def _users(request: Request) -> Response:
    fields = wanted_fields(request.query_params)
    users = [cut_down(user.as_json(), fields) for user in organization.USERS]
    return as_json(envelope(users, has_more=False))


async def _user(request: Request) -> Response:
    user = organization.USERS_BY_ID.get(request.path_params["id"])
    if user is None:
        raise not_found("User")
    return as_json(user.as_json())


async def _statuses(_request: Request) -> Response:
    own = organization.ORGANIZATION_ID
    statuses = [
        {"id": status_id, "label": label, "organization_id": own}
        for status_id, label in organization.STATUS_LABELS.items()
    ]
    return as_json(envelope(statuses, has_more=False))


async def _custom_fields(_request: Request) -> Response:
    fields = [one.as_json() for one in organization.CUSTOM_FIELDS]
    return as_json(envelope(fields, has_more=False))


async def _custom_field(request: Request) -> Response:
    found = organization.FIELDS_BY_ID.get(request.path_params["id"])
    if found is None:
        raise not_found("CustomField")
    return as_json(found.as_json())


async def _custom_field_schema(_request: Request) -> Response:
    fields = [one.as_json() for one in organization.CUSTOM_FIELDS]
    return as_json({"object_type": "lead", "fields": fields})


# ---------------------------------------------------------------- leads


async def _leads(request: Request) -> Response:
    return as_json(lists.leads_page(of(request).store, request.query_params))


async def _create_lead(request: Request) -> Response:
    record = of(request).changes.create_lead(await body_of(request), author(request))
    return as_json(lead_as_json(record))


async def _get_lead(request: Request) -> Response:
    record = of(request).store.lead(request.path_params["id"])
    return as_json(cut_down(lead_as_json(record), wanted_fields(request.query_params)))


async def _update_lead(request: Request) -> Response:
    body = await body_of(request)
    record = of(request).changes.update_lead(request.path_params["id"], body, author(request))
    return as_json(lead_as_json(record))


async def _delete_lead(request: Request) -> Response:
    of(request).changes.delete_lead(request.path_params["id"], author(request))
    return as_json({})


async def _merge_leads(request: Request) -> Response:
    body = await body_of(request)
    for name in ("source", "destination"):
        if not isinstance(body.get(name), str):
            raise invalid_field(name, "This field is required.")
    of(request).changes.merge_leads(body["source"], body["destination"], author(request))
    return as_json({})


# ---------------------------------------------------------------- contacts


async def _contacts(request: Request) -> Response:
    return as_json(lists.contacts_page(of(request).store, request.query_params))


async def _create_contact(request: Request) -> Response:
    record = of(request).changes.create_contact(await body_of(request), author(request))
    return as_json(contact_as_json(record))


async def _get_contact(request: Request) -> Response:
    record = of(request).store.contact(request.path_params["id"])
    return as_json(cut_down(contact_as_json(record), wanted_fields(request.query_params)))


async def _update_contact(request: Request) -> Response:
    body = await body_of(request)
    record = of(request).changes.update_contact(request.path_params["id"], body, author(request))
    return as_json(contact_as_json(record))


async def _delete_contact(request: Request) -> Response:
    of(request).changes.delete_contact(request.path_params["id"], author(request))
    return as_json({})


# ---------------------------------------------------------------- calls


async def _calls(request: Request) -> Response:
    page = lists.calls_page(of(request).store, request.query_params, origin=origin(request))
    return as_json(page)


async def _log_call(request: Request) -> Response:
    record = of(request).changes.log_call(await body_of(request), author(request))
    return as_json(_shown_call(request, record))


async def _get_call(request: Request) -> Response:
    return as_json(_shown_call(request, of(request).store.call(request.path_params["id"])))


async def _update_call(request: Request) -> Response:
    body = await body_of(request)
    record = of(request).changes.update_call(request.path_params["id"], body, author(request))
    return as_json(_shown_call(request, record))


async def _delete_call(request: Request) -> Response:
    of(request).changes.delete_call(request.path_params["id"], author(request))
    return as_json({})


async def _recording(request: Request) -> Response:
    """Recordings lie with a storage provider, at an address that is its own permission."""
    record = of(request).store.call(request.path_params["id"])
    if not has_recording(record):
        raise not_found("Recording")
    return RedirectResponse(f"{origin(request)}/sandbox/recordings/{record['id']}.mp3", 302)


def _shown_call(request: Request, record: Record) -> Record:
    fields = wanted_fields(request.query_params)
    return lists.shown_call(of(request).store, record, fields, origin=origin(request))


# ---------------------------------------------------------------- search, events, webhooks


async def _search(request: Request) -> Response:
    body = await body_of(request)
    return as_json(await Search(of(request).store, body, offset(request)).page())


async def _events(request: Request) -> Response:
    return as_json(of(request).store.events.page(request.query_params))


async def _event(request: Request) -> Response:
    return as_json(of(request).store.events.get(request.path_params["id"]))


async def _webhooks(request: Request) -> Response:
    return as_json(envelope(of(request).webhooks.page(), has_more=False))


async def _create_webhook(request: Request) -> Response:
    made = of(request).webhooks.create(await body_of(request))
    answer = as_json(made, 201)
    answer.headers["location"] = f"{origin(request)}/api/v1/webhook/{made['id']}/"
    return answer


async def _get_webhook(request: Request) -> Response:
    return as_json(of(request).webhooks.get(request.path_params["id"]))


async def _update_webhook(request: Request) -> Response:
    body = await body_of(request)
    return as_json(of(request).webhooks.update(request.path_params["id"], body))


async def _delete_webhook(request: Request) -> Response:
    of(request).webhooks.delete(request.path_params["id"])
    return as_json({})
