"""What schemathesis does not know of our API: signed webhooks, and codes of refusals."""

import hashlib
import hmac
import json
import time
from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response

CLOSE_WEBHOOK_KEY = "00" * 32
VAPI_WEBHOOK_TOKEN = "sandbox"  # noqa: S105  # of the stand-in
OF_THE_SHAPE = frozenset({
    "invalid_payload", "malformed", "json_key_repeated", "unsupported_media_type",
    "query_parameter_unknown", "query_parameter_repeated", "webhook_malformed",
})  # fmt: skip
OF_NO_OPERATION = frozenset({"method_not_allowed"})


@schemathesis.check
def refused_as_documented(ctx: CheckContext, response: Response, case: Case) -> None:
    """A refusal carries a code that the document names, and a right request none of its shape."""
    if response.status_code < 400:
        return
    code = json.loads(response.content)["code"]
    if case.method.upper() != case.operation.method.upper():
        assert code in OF_NO_OPERATION, f"`{code}` to {case.method}"
        return
    documented = codes_of(case.operation.definition.raw, response.status_code)
    assert code in documented, f"`{code}` is documented nowhere; {sorted(documented)} are"
    # A case that is called positive may carry a body that is not, where none could be made.
    if case.meta is not None and all(
        each.mode.is_positive for each in case.meta.components.values()
    ):
        assert code not in OF_THE_SHAPE, f"`{code}` to what the document allows"


def codes_of(operation: dict[str, Any], status: int) -> set[str]:
    content = operation["responses"].get(str(status), {}).get("content", {})
    return {code for media in content.values() for code in media.get("examples", {})}


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Sign what goes to the webhooks, as their vendors do: nothing else gets past the door."""
    if case.operation.path.startswith("/webhooks/"):
        kwargs["auth"] = signed


def signed(request: Any) -> Any:
    """The prepared request with the proofs of both vendors."""
    body = request.body or b""
    body = body.encode() if isinstance(body, str) else body
    at = str(int(time.time()))
    key = bytes.fromhex(CLOSE_WEBHOOK_KEY)
    request.headers["close-sig-timestamp"] = at
    request.headers["close-sig-hash"] = hmac.new(
        key, at.encode() + body, hashlib.sha256
    ).hexdigest()
    request.headers["x-vapi-secret"] = VAPI_WEBHOOK_TOKEN
    return request
