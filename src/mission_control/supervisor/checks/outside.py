"""What `doctor` looks at outside: the engine, the model, Vapi and Close."""

from collections.abc import Callable
from urllib.parse import urlsplit

from mission_control.core.errors import MissionControlError
from mission_control.core.settings import Settings
from mission_control.integrations.close_client import CloseClient, open_close
from mission_control.integrations.errors import SuperOptiXError
from mission_control.integrations.superoptix.location import EngineLocation
from mission_control.integrations.superoptix.model_probe import open_model_probe
from mission_control.integrations.superoptix_client import open_superoptix
from mission_control.integrations.vapi_client import VAPIClient, open_vapi
from mission_control.supervisor.findings import Finding, Situation


async def check_engine(situation: Situation) -> Finding:
    client = open_superoptix(situation.settings)
    try:
        found = await client.doctor()
    except SuperOptiXError as exc:
        return Finding("engine", "problem", exc.message, _engine_to_do(situation.settings))
    finally:
        await client.aclose()
    versions = found.versions
    sentence = f"SuperOptiX {versions.get('superoptix')}, DSPy {versions.get('dspy')}."
    if found.problems:
        to_do = _engine_to_do(situation.settings)
        return Finding("engine", "problem", f"{sentence} {' '.join(found.problems)}", to_do)
    return Finding("engine", "ok", sentence)


def _engine_to_do(settings: Settings) -> str:
    if settings.superoptix_path is not None:
        return "Correct SUPEROPTIX_PATH."
    return "Run: make run" if EngineLocation().has_project else "Set SUPEROPTIX_PATH."


async def check_model(situation: Situation) -> Finding:
    settings = situation.settings
    if settings.model_is_stand_in and situation.running is None:
        sentence = "A stand-in comes with `mission-control up`."
        return Finding("model", "ok", sentence, "Set OPENAI_API_KEY for a real one.", stand_in=True)
    probe = open_model_probe(settings.model_base_url, settings.openai_api_key)
    host = urlsplit(settings.model_base_url).hostname
    try:
        found = await probe.check()
    except MissionControlError as exc:
        to_do = "Check OPENAI_BASE_URL and OPENAI_API_KEY."
        return Finding("model", "problem", exc.message, to_do, settings.model_is_stand_in)
    finally:
        await probe.aclose()
    sentence = f"{host} takes our key: {found}."
    return Finding("model", "ok", sentence, stand_in=settings.model_is_stand_in)


async def check_vapi(situation: Situation) -> Finding:
    settings = situation.settings
    return await _vendor(
        situation,
        "vapi",
        lambda: open_vapi(settings.vapi_url, settings.vapi_key),
        url=settings.vapi_url,
        base_url=settings.vapi_base_url,
        stand_in=settings.vapi_is_stand_in,
    )


async def check_close(situation: Situation) -> Finding:
    settings = situation.settings
    return await _vendor(
        situation,
        "close",
        lambda: open_close(settings.close_url, settings.close_key),
        url=settings.close_url,
        base_url=settings.close_base_url,
        stand_in=settings.close_is_stand_in,
    )


async def _vendor(
    situation: Situation,
    name: str,
    open_client: "Callable[[], VAPIClient | CloseClient]",
    *,
    url: str,
    base_url: str | None,
    stand_in: bool,
) -> Finding:
    """Whether somebody else's system answers and takes our key."""
    prefix = name.upper()
    if stand_in and base_url is None and situation.running is None:
        sentence = "A stand-in comes with `mission-control up`."
        return Finding(
            name, "ok", sentence, f"Set {prefix}_API_KEY for the real one.", stand_in=True
        )
    try:
        async with open_client() as client:
            await client.check()
    except MissionControlError as exc:
        to_do = f"Check {prefix}_API_KEY and {prefix}_BASE_URL."
        return Finding(name, "problem", exc.message, to_do, stand_in)
    sentence = f"{urlsplit(url).hostname} answers and takes our key."
    return Finding(name, "ok", sentence, stand_in=stand_in)
