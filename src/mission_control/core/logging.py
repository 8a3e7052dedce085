"""Structured logging: readable in a terminal, one JSON object per line elsewhere, without secrets."""

import logging
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LEVELS = logging.getLevelNamesMapping()

# Gets every record as it is written: `event`, `level`, `logger`, `timestamp`, and its own fields.
Sink = Callable[[Mapping[str, Any]], None]

REDACTED = "[redacted]"
SECRET_KEY = re.compile(
    r"password|passwd|passphrase|secret|api_?key|private_?key|authorization|cookie|credential"
    r"|(^|[_-])(token|bearer|jwt|dsn)$",
    re.IGNORECASE,
)
# `scheme://user:password@`, `Bearer …`, and keys that carry a vendor's prefix.
SECRET_IN_TEXT = re.compile(
    r"(?P<url>://[^\s:/@]*:)[^\s/@]+(?=@)|(?P<bearer>\bbearer\s+)[\w.~+/=-]{8,}|\b(?:sk|pk)[-_](?=[\w-]*\d)[\w-]{16,}",
    re.IGNORECASE,
)
QUIET = {  # chatty libraries, and the level from which they are worth reading
    "uvicorn.access": logging.WARNING,
    "celery.worker.strategy": logging.WARNING,  # "task received"
    "celery.app.trace": logging.WARNING,  # "task succeeded"; failures are errors
    "kombu": logging.WARNING,
    "amqp": logging.WARNING,
    "aiosqlite": logging.WARNING,
    "asyncio": logging.WARNING,
    "httpx2": logging.WARNING,
    "httpcore2": logging.WARNING,
    "mcp.client": logging.CRITICAL,  # a memory server's every bad message, whole; we say what matters
    "sqlalchemy.engine": logging.WARNING,
    "watchdog": logging.WARNING,
}
BROUGHT_OWN_HANDLERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "celery", "celery.task")


def configure_logging(
    level: str = "info", *, json: bool | None = None, sinks: Iterable[Sink] = ()
) -> None:
    """Send every log of this process, ours and the libraries', to stderr in one form.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        json: One JSON object per line; left out: unless stderr is a terminal.
        sinks: Called with every record that is written, after secrets were removed. A sink must
            return at once and must not log.
    """
    number = LEVELS[level.upper()]
    as_json = not sys.stderr.isatty() if json is None else json
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *_common()],
            processors=[*_final(as_json=as_json, sinks=tuple(sinks))],
        )
    )
    logging.basicConfig(handlers=[handler], level=number, force=True)
    logging.captureWarnings(capture=True)
    _tame_libraries(number)
    structlog.configure(
        processors=[*_common(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace values whose key looks like a secret's, and secrets inside texts."""
    return {key: _clean(key, value) for key, value in event.items()}


def _common() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _final(*, as_json: bool, sinks: tuple[Sink, ...]) -> list[Processor]:
    def pass_on(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        for sink in sinks:
            sink(dict(event))
        return event

    # Tracebacks are plain on purpose: the rich ones print local variables, and with them secrets.
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _without_colours,
        structlog.processors.format_exc_info,
        redact,
        pass_on,
        structlog.processors.JSONRenderer(default=str)
        if as_json
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]


def _without_colours(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event.pop("color_message", None)  # uvicorn says everything twice
    return event


def _tame_libraries(level: int) -> None:
    for name in BROUGHT_OWN_HANDLERS:
        library = logging.getLogger(name)  # noqa: TID251  # theirs, not ours
        library.handlers.clear()
        library.propagate = True
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(max(least, level))  # noqa: TID251


def _clean(key: str, value: object) -> object:
    if SECRET_KEY.search(key) and value is not None:
        return REDACTED
    if isinstance(value, str):
        return SECRET_IN_TEXT.sub(_mask, value)
    if isinstance(value, Mapping):
        return {k: _clean(str(k), v) for k, v in cast("Mapping[object, object]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_clean("", item) for item in cast("Iterable[object]", value)]
    return value


def _mask(found: re.Match[str]) -> str:
    return f"{found['url'] or found['bearer'] or ''}{REDACTED}"
