"""Dead, slow, lying and flooding memory servers cost neither another server nor whoever asks."""

import asyncio
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mission_control.integrations.errors import (
    IntegrationAmbiguousError,
    IntegrationError,
    IntegrationRateLimitedError,
    IntegrationUnavailableError,
)
from mission_control.integrations.memory.config.reading import load_configuration
from mission_control.integrations.memory.items import ServerState, TemporalMemory
from mission_control.integrations.memory_manager import MemoryManager
from tests.contract.memory_processes import descendants, is_alive
from tests.install_vendor_clients import python_client
from tests.services import HANG_SECONDS, free_port, process

SERVERS = Path(__file__).parent / "memory_servers"
Configured = Callable[..., MemoryManager]
SECRET = "s3cr3t-of-the-clinic"  # noqa: S105
LIMITS = {
    "connect_timeout_seconds": HANG_SECONDS,
    "call_timeout_seconds": HANG_SECONDS,
    "max_result_bytes": 1_000_000,
}


@pytest.fixture
async def configured(tmp_path: Path) -> AsyncIterator[Configured]:
    """Makes managers out of TOML, and closes them."""
    made: list[MemoryManager] = []

    def configure(**servers: str) -> MemoryManager:
        file = tmp_path / "memory.toml"
        file.write_text("\n".join(f"[servers.{name}]\n{text}" for name, text in servers.items()))
        variable = {"TOKEN": SECRET}.get
        made.append(MemoryManager(load_configuration(file, read_variable=variable)))
        return made[-1]

    yield configure
    for each in made:
        await each.aclose()


def sloppy(how: str, argument: str = "", **settings: object) -> str:
    """A server that misbehaves, as a table of memory.toml."""
    said = {**LIMITS, **settings}
    return f"""
        transport = "stdio"
        command = "{sys.executable}"
        args = ["-S", "{SERVERS / "sloppy.py"}", "{how}", "{argument}"]
        env = {{ TOKEN = "env:TOKEN" }}
        preset = "private-temporal-memory"
        {_lines(said)}
        """


def web(port: int, path: str = "/mcp", **settings: object) -> str:
    said = {**LIMITS, **settings}
    return f"""
        transport = "http"
        url = "http://127.0.0.1:{port}{path}"
        headers = {{ Authorization = "Bearer env:TOKEN" }}
        preset = "private-temporal-memory"
        {_lines(said)}
        """


def _lines(settings: dict[str, object]) -> str:
    return "\n".join(f"{name} = {json.dumps(value)}" for name, value in settings.items())


def problem_of(answer: TemporalMemory, server: str) -> tuple[str, str]:
    problem = next(each.problem for each in answer.servers if each.server == server)
    assert problem is not None
    assert SECRET not in problem.message
    return problem.code, problem.message


def state_of(memory: MemoryManager, server: str) -> ServerState:
    return next(state for state in memory.states() if state.name == server)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while not condition():
            await asyncio.sleep(0.02)


# ------------------------------------------------------------------ over stdio


@pytest.mark.parametrize(
    ("how", "code", "says", "status"),
    [
        ("lies-about-tools", "integration_contract", "tools.1.inputSchema", "non-conforming"),
        ("lies-about-results", "integration_contract", "output schema", "connected"),
        ("huge", "integration_contract", "1,000,000 bytes", "non-conforming"),
        ("endless-line", "integration_contract", "1,000,000 bytes", "non-conforming"),
        ("notifications", "integration_contract", "floods us", "non-conforming"),
        ("chatter", "integration_contract", "a log line on the wrong", "non-conforming"),
        ("dies", "integration_unavailable", "exit code 3", "unreachable"),
        ("tells-secret", "integration_rejected", "no: [redacted]", "connected"),
        ("exits", "integration_unavailable", "the database with [redacted]", "unreachable"),
    ],
)
async def test_what_a_bad_server_does_is_told_and_the_good_one_answers(
    configured: Configured, how: str, code: str, says: str, status: str
) -> None:
    memory = configured(bad=sloppy(how), good=sloppy("well"))
    answer = await memory.get_temporal_memory()
    assert [m.content for m in answer.items] == ["Mrs Hopper likes mornings"]
    assert answer.silent == ("bad",)
    said = problem_of(answer, "bad")
    assert (said[0], says in said[1]) == (code, True), said
    state = state_of(memory, "bad")
    assert state.status == status
    assert SECRET not in str(state)


async def test_a_flood_of_answers_ends_the_connection(configured: Configured) -> None:
    memory = configured(bad=sloppy("answers"))
    first = await memory.get_temporal_memory()
    assert first.is_complete  # the first of them is what was asked for
    await until(lambda: state_of(memory, "bad").status == "non-conforming")


async def test_a_server_that_logs_without_end_is_slowed_and_not_us(configured: Configured) -> None:
    memory = configured(bad=sloppy("log-flood"))
    assert (await memory.get_temporal_memory()).is_complete
    before = time.process_time()
    await asyncio.sleep(1.0)
    assert time.process_time() - before < 0.5


async def test_nobody_waits_longer_than_allowed_for_a_silent_server(configured: Configured) -> None:
    memory = configured(silent=sloppy("silent", call_timeout_seconds=0.4), good=sloppy("well"))
    answer = await memory.get_temporal_memory()
    assert [m.server for m in answer.items] == ["good"]
    assert problem_of(answer, "silent")[0] == "integration_unavailable"
    assert state_of(memory, "silent").status == "connecting"  # nobody has waited for that
    await memory.aclose()


async def test_connecting_to_a_silent_server_has_an_end(configured: Configured) -> None:
    memory = configured(silent=sloppy("silent", connect_timeout_seconds=0.8))
    memory.connect()
    await until(lambda: state_of(memory, "silent").status == "unreachable")
    assert state_of(memory, "silent").reason == "did not answer within 0.8 s of connecting"
    await memory.aclose()
    assert [command for command in descendants().values() if "sloppy.py" in command] == []


async def test_a_server_that_hangs_is_given_up_and_started_anew(configured: Configured) -> None:
    memory = configured(bad=sloppy("hangs", call_timeout_seconds=0.5))
    await memory.look(within=HANG_SECONDS)
    answer = await memory.get_temporal_memory()
    assert "did not answer after" in problem_of(answer, "bad")[1]
    again = await memory.get_temporal_memory()  # half a second may not be enough to start anew
    assert problem_of(again, "bad")[0] == "integration_unavailable"
    assert state_of(memory, "bad").status == "unreachable"


async def test_a_write_that_is_not_answered_is_ambiguous(configured: Configured) -> None:
    memory = configured(bad=sloppy("hangs", call_timeout_seconds=0.5))
    await memory.look(within=HANG_SECONDS)
    with pytest.raises(IntegrationAmbiguousError):
        await memory.add_memory("She has a guide dog")


async def test_a_server_that_died_once_is_asked_again(
    configured: Configured, tmp_path: Path
) -> None:
    memory = configured(bad=sloppy("dies-once", str(tmp_path / "died")))
    answer = await memory.get_temporal_memory()
    assert answer.is_complete
    assert (tmp_path / "died").exists()


async def test_what_a_server_started_ends_with_it(configured: Configured, tmp_path: Path) -> None:
    note = tmp_path / "grandchild"
    memory = configured(bad=sloppy("grandchild", str(note)))
    assert (await memory.get_temporal_memory()).is_complete
    grandchild = int(note.read_text())
    assert is_alive(grandchild)
    await memory.aclose()
    await until(lambda: not is_alive(grandchild))


async def test_a_server_sees_only_what_it_is_given(
    configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAPI_API_KEY", "ours alone")
    answer = await configured(nosy=sloppy("environment")).get_temporal_memory()
    names = {m.content for m in answer.items}
    assert "TOKEN" in names
    assert names <= {
        "HOME", "LANG", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "TOKEN",
        "SSL_CERT_FILE", "SSL_CERT_DIR",
    }  # fmt: skip


async def test_no_shell_ever_sees_the_arguments(configured: Configured, tmp_path: Path) -> None:
    memory = configured(well=sloppy("well", f"$(touch {tmp_path}/run); touch {tmp_path}/run"))
    assert (await memory.get_temporal_memory()).is_complete
    assert not (tmp_path / "run").exists()


async def test_no_more_calls_at_once_than_allowed(configured: Configured) -> None:
    may_answer, calls = threading.Event(), list[bool]()

    def call() -> Reply:
        calls.append(may_answer.is_set())
        may_answer.wait(HANG_SECONDS)
        return 500, {}, b""

    with answering(failing_calls(call)) as port:
        memory = configured(slow=web(port, concurrency=1))
        await memory.look(within=HANG_SECONDS)
        asking = [asyncio.ensure_future(memory.get_temporal_memory()) for _ in range(6)]
        await until(lambda: bool(calls))
        await asyncio.sleep(0.3)  # time enough for the others, were they let in
        may_answer.set()
        await asyncio.gather(*asking)
    assert calls.count(False) == 1
    assert len(calls) > 6


async def test_waiting_for_a_turn_counts_as_waiting(configured: Configured) -> None:
    """Six that may wait for half a second each, one at a time, do not take three seconds together."""
    may_answer, calls = threading.Event(), list[int]()

    def call() -> Reply:
        calls.append(1)
        may_answer.wait(HANG_SECONDS)
        return 500, {}, b""

    with answering(failing_calls(call)) as port:
        memory = configured(slow=web(port, concurrency=1, call_timeout_seconds=0.5))
        await memory.look(within=HANG_SECONDS)
        answers = await asyncio.gather(*(memory.get_temporal_memory() for _ in range(6)))
        may_answer.set()
    assert not any(answer.is_complete for answer in answers)
    assert len(calls) < 6


async def test_a_command_that_is_not_there_is_named(configured: Configured) -> None:
    memory = configured(
        gone='transport = "stdio"\ncommand = "no-such-program"\npreset = "server-memory"'
    )
    answer = await memory.get_temporal_memory()
    assert "cannot be started: No such file or directory" in problem_of(answer, "gone")[1]


async def test_whoever_stops_waiting_ends_nothing(configured: Configured, tmp_path: Path) -> None:
    may_answer = tmp_path / "may-answer"
    memory = configured(slow=sloppy("waits-for", str(may_answer)))
    await memory.look(within=HANG_SECONDS)
    asking = asyncio.create_task(memory.get_temporal_memory())
    await asyncio.sleep(0.1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    may_answer.touch()
    assert (await memory.get_temporal_memory()).is_complete


# ------------------------------------------------------------------ over HTTP


@contextmanager
def web_server(port: int, log: Path, seconds: float = 0.0) -> Generator[int]:
    """The pid of a server made with the older SDK, which keeps sessions."""
    older_sdk = python_client("cortexgraph")
    if not older_sdk.exists():
        pytest.fail("The vendors' servers are missing: python -m tests.install_vendor_clients")
    command = [sys.executable, str(SERVERS / "web.py"), str(port), str(seconds)]
    environment = {"PYTHONPATH": str(older_sdk), "NO_PROXY": "127.0.0.1"}
    with process(command, log=log, ready=lambda: _listens(port), environment=environment) as child:
        yield child.pid


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


Reply = tuple[int, dict[str, str], bytes]


@contextmanager
def answering(reply: Callable[[dict[str, Any]], Reply]) -> Generator[int]:
    """The port of a web server that answers each message as it is told."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            said = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, body = reply(json.loads(said or b"{}"))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def refusing(
    status: int, headers: dict[str, str] | None = None, body: bytes = b""
) -> AbstractContextManager[int]:
    return answering(lambda _: (status, headers or {}, body))


def failing_calls(call: Callable[[], Reply]) -> Callable[[dict[str, Any]], Reply]:
    """A proper server, but for what it makes of calls."""

    def reply(message: dict[str, Any]) -> Reply:
        tools: list[dict[str, Any]] = [{"name": name} for name in ("list_memories", "add_memory")]
        schema = {"type": "object"}
        results: dict[str, Any] = {
            "initialize": {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "plain", "version": "1"},
            },
            "tools/list": {"tools": [{**tool, "inputSchema": schema} for tool in tools]},
        }
        match message.get("method"):
            case "tools/call":
                return call()
            case method if method in results:
                result: dict[str, Any] = {
                    "jsonrpc": "2.0",
                    "id": message["id"],
                    "result": results[method],
                }
                return 200, {"Content-Type": "application/json"}, json.dumps(result).encode()
            case _:
                return (405 if "id" in message or not message else 202), {}, b""

    return reply


@pytest.mark.parametrize(
    ("status", "read", "write", "becomes"),
    [
        (401, "integration_credentials", "integration_credentials", "unauthorised"),
        (404, "integration_unavailable", "integration_unavailable", "unreachable"),
        (500, "integration_unavailable", "integration_ambiguous", "unreachable"),
    ],
)
async def test_what_a_call_is_refused_with_decides_what_is_known_of_it(
    configured: Configured, status: int, read: str, write: str, becomes: str
) -> None:
    calls: list[int] = []

    def call() -> Reply:
        calls.append(status)
        return status, {}, b""

    with answering(failing_calls(call)) as port:
        memory = configured(failing=web(port))
        answer = await memory.get_temporal_memory()
        assert problem_of(answer, "failing")[0] == read
        assert state_of(memory, "failing").status == becomes
        asked = len(calls)
        assert asked == (1 if status == 401 else 2)
        with pytest.raises(IntegrationError) as refused:
            await memory.add_memory("New")
        assert refused.value.code == write
        assert len(calls) == asked + 1


async def test_a_refusal_is_told_of_the_call_that_it_answers(configured: Configured) -> None:
    """Two calls at once: the slow one is refused, the quick one is not."""
    listed = json.dumps({"content": [{"type": "text", "text": '[{"content": "x"}]'}]})
    first, quick_one_is_answered = threading.Event(), threading.Event()

    def call() -> Reply:
        if not first.is_set():
            first.set()
            quick_one_is_answered.wait(HANG_SECONDS)
            return 500, {}, b""
        body = f'{{"jsonrpc": "2.0", "id": {identifiers[-1]}, "result": {listed}}}'
        return 200, {"Content-Type": "application/json"}, body.encode()

    identifiers: list[int] = []
    proper = failing_calls(call)

    def reply(message: dict[str, Any]) -> Reply:
        identifiers.append(message.get("id", 0))
        return proper(message)

    with answering(reply) as port:
        memory = configured(half=web(port))
        await memory.look(within=HANG_SECONDS)
        writing = asyncio.create_task(memory.add_memory("New"))
        await asyncio.to_thread(first.wait, HANG_SECONDS)
        assert (await memory.get_temporal_memory()).is_complete
        quick_one_is_answered.set()
        with pytest.raises(IntegrationAmbiguousError, match="500"):
            await writing


@pytest.mark.parametrize(
    ("status", "code", "becomes"),
    [
        (401, "integration_credentials", "unauthorised"),
        (403, "integration_credentials", "unauthorised"),
        (404, "integration_unavailable", "unreachable"),
        (429, "integration_rate_limited", "unreachable"),
        (503, "integration_unavailable", "unreachable"),
    ],
)
async def test_a_refusal_by_status_is_understood(
    configured: Configured, status: int, code: str, becomes: str
) -> None:
    with refusing(status, {"Retry-After": "7"}) as port:
        memory = configured(closed=web(port))
        answer = await memory.get_temporal_memory()
        said = problem_of(answer, "closed")
        assert (said[0], f"({status})" in said[1]) == (code, True), said
        assert state_of(memory, "closed").status == becomes
        if status == 429:
            with pytest.raises(IntegrationRateLimitedError) as slow:
                await memory.add_memory("anything")
            assert slow.value.retry_after == 7


async def test_a_web_page_is_no_memory_server(configured: Configured) -> None:
    page = b"<html>Welcome</html>"
    with refusing(200, {"Content-Type": "text/html"}, page) as port:
        memory = configured(page=web(port))
        answer = await memory.get_temporal_memory()
        assert "text/html" in problem_of(answer, "page")[1]
        assert state_of(memory, "page").status == "non-conforming"


async def test_an_answer_without_end_is_cut(configured: Configured) -> None:
    flood = b'{"jsonrpc": "2.0", "x": "' + b"x" * 2_000_000
    with refusing(200, {"Content-Type": "application/json"}, flood) as port:
        memory = configured(flood=web(port))
        answer = await memory.get_temporal_memory()
        assert "1,000,000 bytes" in problem_of(answer, "flood")[1]


async def test_a_web_server_that_goes_and_comes_back(
    configured: Configured, tmp_path: Path
) -> None:
    port = free_port()
    memory = configured(web=web(port), good=sloppy("well"))
    with web_server(port, tmp_path / "first.log"):
        answer = await memory.get_temporal_memory()
        assert answer.is_complete
        assert sorted(m.id for m in answer.items) == ["m1", "w1", "w2"]
        written = await memory.add_memory("New", server="web")
        assert written.id == "w3"

    without = await memory.get_temporal_memory()
    assert [m.id for m in without.items] == ["m1"]
    assert "ConnectError" in problem_of(without, "web")[1]
    assert state_of(memory, "web").status == "unreachable"

    # Killed while it answers, and back with none of its sessions: found out, and asked again.
    with web_server(port, tmp_path / "second.log", seconds=HANG_SECONDS) as pid:
        assert (await memory.look(within=HANG_SECONDS))[0].status == "connected"
        reading = asyncio.create_task(memory.get_temporal_memory())
        await asyncio.sleep(0.3)
        os.kill(pid, signal.SIGKILL)
        assert (await reading).silent == ("web",)
    with web_server(port, tmp_path / "third.log"):
        assert (await memory.look(within=HANG_SECONDS))[0].status == "connected"
        assert (await memory.get_temporal_memory()).is_complete


async def test_a_session_that_the_server_forgot_is_renewed(
    configured: Configured, tmp_path: Path
) -> None:
    port = free_port()
    memory = configured(web=web(port))
    for log in ("first.log", "second.log"):
        with web_server(port, tmp_path / log):
            assert (await memory.get_temporal_memory()).is_complete


async def test_a_write_to_a_server_that_is_gone_was_certainly_not_made(
    configured: Configured,
) -> None:
    memory = configured(web=web(free_port()))
    with pytest.raises(IntegrationUnavailableError, match="Nothing was changed") as gone:
        await memory.add_memory("New")
    assert not isinstance(gone.value, IntegrationAmbiguousError)
