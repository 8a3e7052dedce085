"""What of a Vapi call is stored: all that was said and found, without secrets and configuration."""

import re
from math import isfinite
from typing import cast

from pydantic import JsonValue

from mission_control.core.json_types import JsonObject
from mission_control.core.storable import storable_text
from mission_control.integrations.vapi.json_fields import object_in

DEEPEST = 40  # levels of JSON that are stored
# Configuration of what made the call: it holds prompts, tools and their secrets, and is kept
# where it belongs. `monitor` lets whoever has it listen in on and steer a running call.
CONFIGURATION = frozenset({
    "assistant", "assistantOverrides", "squad", "squadOverrides", "workflow", "workflowOverrides",
    "phoneNumber", "transport", "monitor", "artifactPlan", "server", "model", "tools",
})  # fmt: skip
KEPT_OVERRIDES = ("metadata", "variableValues")
# A repetition of the messages with the prompt in it; and what a filter took out of the call.
NEVER_STORED = frozenset({
    "messagesOpenAIFormatted", "originalMessage", "originalTranscript", "headers"
})  # fmt: skip
# What people found, asked and said: kept whole, whatever its names are.
FINDINGS = frozenset({
    "structuredData", "structuredDataMulti", "structuredOutputs", "scorecards", "variableValues",
    "variables", "metadata", "arguments", "parameters", "result",
})  # fmt: skip
# Fields of Vapi's that hold secrets, in lower case and without `-` and `_`.
SECRET_FIELDS = frozenset({
    "secret", "serverurlsecret", "xvapisecret", "apikey", "apisecret", "authtoken", "accesstoken",
    "refreshtoken", "clientsecret", "privatekey", "password", "sippassword", "authpassword",
    "authorization", "credentials", "credential", "twilioauthtoken", "twilioapikey",
    "twilioapisecret", "twilioaccountsid",
})  # fmt: skip
# A secret says so by its form, wherever it stands.
SECRET_VALUE = re.compile(
    r"""(?<![A-Za-z0-9])(?:
      [sr]k[-_](?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{16,}   # OpenAI, Anthropic, Stripe
    | (?:whsec|pat|shpat|glpat|npm|hf|gsk|xai)[-_](?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{16,}
    | gh[pousr]_[A-Za-z0-9]{30,} | github_pat_[A-Za-z0-9_]{30,}
    | xox[abeprs]-[A-Za-z0-9-]{10,}                                # Slack
    | A(?:KIA|SIA)[A-Z0-9]{16}                                     # AWS
    | AIza[A-Za-z0-9_-]{35}                                        # Google
    | SK[0-9a-f]{32}                                               # Twilio
    | api_[A-Za-z0-9]{16,}\.[A-Za-z0-9]{16,}                       # Close
    | eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*   # a JSON web token
    )
    | (?<=Bearer[ ])[A-Za-z0-9._~+/-]{16,}=*
    | -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----.*?(?:-----END[ ][A-Z ]*PRIVATE[ ]KEY-----|$)""",
    re.VERBOSE | re.DOTALL,
)
# In what people found, a name alone makes no secret: its value has to look like one, too.
CREDENTIAL = re.compile(r"(?=\S*\d)(?=\S*[A-Za-z])[\x21-\x7e]{16,}")
LINK = re.compile(r"https?://[^\s\"'<>\\^`{|}]+", re.IGNORECASE)
EXPIRES = re.compile(r"[?&](X-Amz-|X-Goog-|Signature=|sig=|token=)", re.IGNORECASE)
SECRET, EXPIRED_LINK = "[secret]", "[expired link]"


def storable(raw: JsonObject) -> JsonObject:
    """The call without the configuration of what made it; secrets and expiring links are masked.

    Texts lose U+0000 and halves of characters, which no database takes.
    """
    kept = {key: value for key, value in raw.items() if key not in CONFIGURATION}
    overrides = object_in(raw, "assistantOverrides")
    if kept_overrides := {key: overrides[key] for key in KEPT_OVERRIDES if key in overrides}:
        kept["assistantOverrides"] = kept_overrides
    stored = cast("JsonObject", _clean(kept, 0))
    artifact = dict(object_in(stored, "artifact"))
    # Older calls say beside the artifact what newer ones say in it; the transcript has its own place.
    beside, _ = stored.pop("messages", None), stored.pop("transcript", None)
    within, _ = artifact.pop("messages", None), artifact.pop("transcript", None)
    messages = within or beside
    if isinstance(messages, list):
        artifact["messages"] = [message for message in messages if not _is_system(message)]
    return {**stored, "artifact": artifact} if artifact else stored


def _is_system(message: JsonValue) -> bool:
    """The assistant's own prompt, repeated in each of its calls."""
    return isinstance(message, dict) and message.get("role") == "system"


def _clean(value: JsonValue, depth: int, *, is_finding: bool = False) -> JsonValue:
    if depth > DEEPEST:
        return None
    match value:
        case str():
            return storable_text(masked(value))
        case list():
            return [_clean(one, depth + 1, is_finding=is_finding) for one in value]
        case dict():
            return {
                storable_text(key): _field(key, one, depth + 1, is_finding=is_finding)
                for key, one in value.items()
                if is_finding or key not in NEVER_STORED
            }
        case float() if not isfinite(value):
            return None  # `1e400` is JSON, and no database's number
        case _:
            return value


def _field(key: str, value: JsonValue, depth: int, *, is_finding: bool) -> JsonValue:
    name = re.sub(r"[-_]", "", key.lower())
    if name.startswith("presigned") and not is_finding:
        return EXPIRED_LINK
    if name in SECRET_FIELDS and value:
        is_credential = isinstance(value, str) and CREDENTIAL.fullmatch(value) is not None
        if is_credential or not is_finding:
            return SECRET
    return _clean(value, depth, is_finding=is_finding or key in FINDINGS)


def masked(text: str) -> str:
    """What was said, without what would let somebody in."""
    if "://" in text:
        text = LINK.sub(_without_expiring, text)
    return SECRET_VALUE.sub(SECRET, text)


def _without_expiring(link: re.Match[str]) -> str:
    """The link alone is replaced; the full stop behind it belongs to the sentence."""
    address = link[0].rstrip(".,;:!?)]")
    return EXPIRED_LINK + link[0][len(address) :] if EXPIRES.search(address) else link[0]
