"""The three assistants that the stand-in has from the start, as somebody would have built them."""

from pathlib import Path
from typing import Any, cast

from mission_control.core import safe_yaml

Assistant = dict[str, Any]

ORGANIZATION_ID = "0b8f6a52-6c1d-4d0e-9f5b-2a7c41d3e901"
REMUS_ID = "5f2d1c7e-8a34-4b69-b0d7-61e0a9c3f201"
GENESIS_ID = "9c4e7b10-2f58-4d83-a6c1-70d2b8e4f302"
SCOUT_ID = "e17a3d96-5b0c-4f27-8e94-83f5c6d1a403"

PROMPTS = {
    "remus": "You are Remus. You call truckers whose insurance comes up for renewal.",
    "genesis": "You are Genesis. You answer new inquiries and collect what a quote needs.",
    "scout": "You are Scout. You summarise what is publicly known about a trucking company.",
}


def seeded_assistants(agents_dir: Path | None = None) -> list[Assistant]:
    """REMUS, GENESIS and SCOUT, with the prompts of `agents/<id>.yaml` where these are found."""
    directory = agents_dir or _agents_dir()
    return [build(_prompt(directory, slug)) for slug, build in _BUILDERS.items()]


def _agents_dir() -> Path:
    here = Path("agents")
    return here if here.is_dir() else Path(__file__).parents[3] / "agents"


def _prompt(directory: Path, slug: str) -> str:
    try:
        playbook = safe_yaml.load((directory / f"{slug}.yaml").read_text(encoding="utf-8"))
        prompt = cast("Any", playbook)["spec"]["prompt"]
    except (OSError, safe_yaml.UnreadableYamlError, KeyError, TypeError):
        return PROMPTS[slug]
    return prompt if isinstance(prompt, str) else PROMPTS[slug]


def _remus(prompt: str) -> Assistant:
    return {
        "id": REMUS_ID,
        "orgId": ORGANIZATION_ID,
        "name": "REMUS",
        "createdAt": "2026-05-04T14:02:11.318Z",
        "updatedAt": "2026-08-19T09:40:52.077Z",
        "latestVersion": "v7",
        "firstMessage": (
            "Hi, this is Remus from Northline about your truck insurance. Is this a good moment?"
        ),
        "firstMessageMode": "assistant-speaks-first",
        "model": {
            "provider": "openai",
            "model": "gpt-4o-mini",
            "temperature": 0.4,
            "maxTokens": 300,
            "messages": [{"role": "system", "content": prompt}],
            "toolIds": [
                "3d0a6f1b-94c7-4e52-8b1f-5a60c9e7d711",
                "a8c2e945-17db-4f36-9d08-c4e1b7f26a12",
            ],
            "tools": [
                {
                    "type": "function",
                    "async": False,
                    "function": {
                        "name": "book_review",
                        "description": "Book a review with a licensed agent.",
                        "parameters": {
                            "type": "object",
                            "properties": {
                                "slot": {"type": "string", "description": "ISO 8601, Central"},
                                "trucks": {"type": "number"},
                            },
                            "required": ["slot"],
                        },
                    },
                    "server": {
                        "url": "https://hooks.northline.example/vapi/book-review",
                        "secret": "stand-in-tool-secret-remus",
                        "timeoutSeconds": 15,
                    },
                },
                {"type": "endCall"},
            ],
            "knowledgeBase": {
                "provider": "custom-knowledge-base",
                "server": {
                    "url": "https://hooks.northline.example/vapi/carriers",
                    "headers": {"x-northline": "carriers"},
                },
            },
        },
        "voice": {
            "provider": "11labs",
            "voiceId": "burt",
            "model": "eleven_turbo_v2_5",
            "stability": 0.5,
            "similarityBoost": 0.75,
            "chunkPlan": {"enabled": True, "minCharacters": 30},
        },
        "transcriber": {
            "provider": "deepgram",
            "model": "nova-3",
            "language": "en",
            "smartFormat": True,
            "keyterm": ["Northline", "motor truck cargo", "bobtail"],
        },
        "serverMessages": ["end-of-call-report", "status-update", "tool-calls", "hang"],
        "clientMessages": ["transcript", "hang", "tool-calls"],
        "server": {"url": "https://hooks.northline.example/vapi", "timeoutSeconds": 20},
        "isServerUrlSecretSet": True,
        "endCallMessage": "Thank you, drive safely.",
        "endCallPhrases": ["goodbye", "have a good one"],
        "voicemailMessage": (
            "Hello, this is Remus from Northline about your truck insurance renewal. "
            "Please call us back at 555 010 7788."
        ),
        "maxDurationSeconds": 600,
        "backgroundSound": "office",
        "voicemailDetection": {"provider": "vapi", "type": "audio"},
        "startSpeakingPlan": {"waitSeconds": 0.6, "smartEndpointingPlan": {"provider": "livekit"}},
        "stopSpeakingPlan": {"numWords": 2, "voiceSeconds": 0.2, "backoffSeconds": 1},
        "analysisPlan": {
            "summaryPlan": {"enabled": True, "timeoutSeconds": 10},
            "successEvaluationPlan": {"enabled": True, "rubric": "PassFail"},
            "structuredDataPlan": {
                "enabled": True,
                "schema": {
                    "type": "object",
                    "properties": {
                        "trucks": {"type": "integer"},
                        "do_not_call": {"type": "boolean"},
                    },
                },
            },
        },
        "artifactPlan": {
            "recordingEnabled": True,
            "transcriptPlan": {"enabled": True, "assistantName": "Remus", "userName": "Trucker"},
        },
        "metadata": {"owner": "sales", "campaign": "renewals-2026"},
    }


def _genesis(prompt: str) -> Assistant:
    return {
        "id": GENESIS_ID,
        "orgId": ORGANIZATION_ID,
        "name": "GENESIS",
        "createdAt": "2026-03-18T08:27:45.902Z",
        "updatedAt": "2026-08-12T16:05:30.441Z",
        "latestVersion": "v3",
        "firstMessage": "Northline Commercial, this is Genesis. How can I help you today?",
        "model": {
            "provider": "anthropic",
            "model": "claude-sonnet-4-20250514",
            "temperature": 0.3,
            "maxTokens": 400,
            "messages": [
                {"role": "system", "content": prompt},
                {
                    "role": "system",
                    "content": 'Today is {{ "now" | date: "%A, %B %d" }}. Caller: {{customer.number}}.',
                },
            ],
            "toolRefs": [{"toolId": "77b1f0de-5c39-48aa-b6e3-0fd94c82e513", "version": "v2"}],
            "tools": [
                {
                    "type": "transferCall",
                    "destinations": [
                        {
                            "type": "number",
                            "number": "+15550107700",
                            "message": "One moment, I am connecting you with a licensed agent.",
                        }
                    ],
                }
            ],
        },
        "voice": {
            "provider": "cartesia",
            "voiceId": "794f9389-aac1-45b6-b726-9d9369183238",
            "model": "sonic-3",
            "language": "en",
        },
        "transcriber": {"provider": "deepgram", "model": "nova-3", "language": "en"},
        "serverMessages": ["end-of-call-report", "tool-calls"],
        "server": {"url": "https://hooks.northline.example/genesis"},
        "isServerUrlSecretSet": False,
        "maxDurationSeconds": 900,
        "analysisPlan": {
            "summaryPlan": {"enabled": True},
            "successEvaluationPlan": {"enabled": True, "rubric": "NumericScale"},
        },
        "compliancePlan": {"hipaaEnabled": False, "pciEnabled": False},
        "metadata": {"owner": "intake", "webhook": True},
    }


def _scout(prompt: str) -> Assistant:
    return {
        "id": SCOUT_ID,
        "orgId": ORGANIZATION_ID,
        "name": "SCOUT",
        "createdAt": "2026-01-22T11:15:03.250Z",
        "updatedAt": "2026-07-30T13:22:18.634Z",
        "latestVersion": None,
        "firstMessage": "Scout here. Which company should I look at?",
        "model": {
            "provider": "openai",
            "model": "gpt-4.1",
            "temperature": 0.2,
            "messages": [{"role": "system", "content": prompt}],
            "tools": [{"type": "query", "knowledgeBases": []}],
        },
        "voice": {"provider": "vapi", "voiceId": "Elliot"},
        "transcriber": {"provider": "deepgram", "model": "nova-3"},
        "analysisPlan": {"successEvaluationPlan": {"enabled": True, "rubric": "DescriptiveScale"}},
        "artifactPlan": {"recordingEnabled": False},
        "metadata": {"owner": "research"},
    }


_BUILDERS = {"remus": _remus, "genesis": _genesis, "scout": _scout}
