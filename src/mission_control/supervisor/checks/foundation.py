"""What `doctor` looks at below the product: database, Redis, the console and the processes."""

import importlib.util
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

import mission_control
from mission_control.data.engine import create_engine
from mission_control.data.migrate import newest_revision, revision_of
from mission_control.supervisor.embedded_redis import find_server
from mission_control.supervisor.findings import Finding, Situation
from mission_control.supervisor.readiness import redis_answers


async def check_database(situation: Situation) -> Finding:
    url = make_url(situation.settings.database)
    is_file = url.get_backend_name() == "sqlite"
    if is_file and not _exists(url):
        return Finding("database", "ok", f"{url.database} will be made by the first start.")
    where = str(url.database) if is_file else f"{url.get_backend_name()} at {url.host}"
    engine = create_engine(situation.settings.database)
    try:
        async with engine.connect() as connection:
            await connection.execution_options(readonly=True)
            revision = await connection.run_sync(revision_of)
    except SQLAlchemyError as exc:
        kind = type(exc).__name__
        return Finding(
            "database", "problem", f"{where} cannot be used ({kind}).", "Check DATABASE_URL."
        )
    finally:
        await engine.dispose()
    if revision != newest_revision():
        return Finding(
            "database",
            "warning",
            f"{where} has an older schema.",
            "mission-control up migrates it.",
        )
    return Finding("database", "ok", f"{where} is reachable and at the newest schema.")


async def check_redis(situation: Situation) -> Finding:
    settings = situation.settings
    if not settings.redis_is_embedded:
        where = urlsplit(settings.redis)
        place = f"Redis at {where.hostname or where.path}"
        if await redis_answers(settings.redis):
            return Finding("redis", "ok", f"{place} answers.")
        return Finding("redis", "problem", f"{place} does not answer.", "Check REDIS_URL.")
    server = find_server()
    if situation.running is None:
        return Finding("redis", "ok", f"Embedded; {server.name} is there and will be started.")
    if await redis_answers(settings.redis):
        return Finding("redis", "ok", f"Embedded; {server.name} runs and answers.")
    return Finding("redis", "problem", "Embedded; it does not answer.", situation.read_log("redis"))


async def check_console(situation: Situation) -> Finding:
    script = Path(mission_control.__file__).parent / "ui" / "streamlit_app.py"
    if importlib.util.find_spec("streamlit") is None or not script.exists():
        return Finding("console", "problem", "The console is not installed.", "Run: make run")
    try:
        compile(script.read_bytes(), script.name, "exec")
    except SyntaxError:
        return Finding("console", "problem", "The console's script is broken.", "Reinstall it.")
    part = situation.running.part("console") if situation.running else None
    if part is not None and part.status != "ready":
        to_do = situation.read_log("console")
        return Finding("console", "problem", f"The console is {part.status}.", to_do)
    return Finding("console", "ok", "The console is installed.")


async def check_processes(situation: Situation) -> Finding:
    running = situation.running
    if running is None:
        return Finding("processes", "ok", "Nothing runs; `mission-control up` starts everything.")
    off = [part.trouble for part in running.parts if part.trouble]
    if off:
        return Finding(
            "processes",
            "problem",
            f"{'; '.join(off)}.",
            f"Read the logs in {situation.settings.data_dir / 'logs'}.",
        )
    crashed = [f"{part.name} ({part.restarts})" for part in running.parts if part.restarts]
    if crashed:
        sentence = f"Everything runs, but had to be started again: {', '.join(crashed)}."
        return Finding(
            "processes",
            "warning",
            sentence,
            f"Read the logs in {situation.settings.data_dir / 'logs'}.",
        )
    return Finding("processes", "ok", f"All {len(running.parts)} parts run.")


def _exists(file: URL) -> bool:
    return Path(file.database or "").exists()
