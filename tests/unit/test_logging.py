"""What leaves the process as a log line: structured, and without secrets."""

import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import structlog

from mission_control.core.logging import configure_logging, redact

Written = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Written]:
    """Reads the lines that were logged; afterwards logging is as it was."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    logging.captureWarnings(False)
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def test_a_log_line_is_one_json_object_where_nobody_looks_at_a_terminal(
    written: Written,
) -> None:
    configure_logging("info")
    with structlog.contextvars.bound_contextvars(job_id="j1"):
        structlog.get_logger("mission_control.api").info("job_started", agent_id="remus")

    (line,) = written()
    assert line["event"] == "job_started"
    assert line["level"] == "info"
    assert line["logger"] == "mission_control.api"
    assert (line["agent_id"], line["job_id"]) == ("remus", "j1")
    assert line["timestamp"].endswith("Z")


def test_other_peoples_loggers_come_out_in_the_same_form(written: Written) -> None:
    configure_logging("info")
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.addHandler(logging.StreamHandler(sys.stderr))  # as uvicorn does it
    configure_logging("info")
    uvicorn.info("Started on port %s", 8000)

    (line,) = written()
    assert (line["event"], line["logger"]) == ("Started on port 8000", "uvicorn.error")


def test_warnings_of_python_come_out_in_the_same_form(written: Written) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure_logging("info")
        warnings.warn("This goes away.", DeprecationWarning, stacklevel=1)

    (line,) = written()
    assert (line["logger"], line["level"]) == ("py.warnings", "warning")
    assert "This goes away." in line["event"]


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_only_what_is_at_least_as_loud_as_the_level_is_written(
    written: Written, level: str
) -> None:
    configure_logging(level)
    log = structlog.get_logger("x")
    for loudness in ("debug", "info", "warning", "error"):
        getattr(log, loudness)("spoke")

    expected = ["debug", "info", "warning", "error"]
    assert [line["level"] for line in written()] == expected[expected.index(level) :]


def test_an_exception_is_told_without_the_local_variables(written: Written) -> None:
    configure_logging("info")
    hidden = {"password": "a local secret"}
    try:
        hidden["nothing"]
    except KeyError:
        structlog.get_logger("x").exception("broke")

    (line,) = written()
    assert "KeyError: 'nothing'" in line["exception"]
    assert "a local secret" not in line["exception"]


def test_sinks_get_what_is_written_after_secrets_are_gone(written: Written) -> None:
    got: list[Mapping[str, Any]] = []
    configure_logging("info", sinks=[got.append])
    structlog.get_logger("x").info("connected", api_key="k1", port=1)
    structlog.get_logger("x").debug("unheard")

    assert [(record["event"], record["api_key"], record["port"]) for record in got] == [
        ("connected", "[redacted]", 1)
    ]


@pytest.mark.parametrize(
    "key",
    ["password", "api_key", "apikey", "VAPI_API_KEY", "access_token", "token", "Authorization",
     "set-cookie", "client_secret", "credentials", "private_key", "database_dsn"],
)  # fmt: skip
def test_values_of_keys_that_look_like_secrets_are_never_written(key: str) -> None:
    assert redact(None, "info", {"event": "e", key: "value"})[key] == "[redacted]"
    assert redact(None, "info", {"event": "e", "at": {"deep": [{key: "value"}]}})["at"] == {
        "deep": [{key: "[redacted]"}]
    }


@pytest.mark.parametrize(
    "key", ["input_tokens", "max_tokens", "key", "monkey", "tokenizer", "agent_id", "passed"]
)
def test_keys_that_only_resemble_secrets_stay_readable(key: str) -> None:
    assert redact(None, "info", {"event": "e", key: "value"})[key] == "value"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("postgresql://me:hunter2@db/x failed", "postgresql://me:[redacted]@db/x failed"),
        ("redis://:hunter2@host:1/0", "redis://:[redacted]@host:1/0"),
        ("sent Authorization: Bearer abcdef123456", "sent Authorization: Bearer [redacted]"),
        ("key sk-proj-abc123def456ghi789 was refused", "key [redacted] was refused"),
        ("http://127.0.0.1:8000/healthz", "http://127.0.0.1:8000/healthz"),
        ("sk-learn-is-a-library-of-algorithms", "sk-learn-is-a-library-of-algorithms"),
    ],
)
def test_secrets_inside_texts_are_cut_out(text: str, clean: str) -> None:
    assert redact(None, "info", {"event": text})["event"] == clean
