"""Finds out what the failure of a memory server means, from its error and from what the wire saw."""

import asyncio
from dataclasses import replace
from typing import cast

import anyio
from mcp import MCPError
from pydantic import ValidationError

from mission_control.integrations.memory.config.configuration import ServerConfiguration
from mission_control.integrations.memory.connection.envelopes import shortened
from mission_control.integrations.memory.connection.trouble import Diagnosis, Trouble
from mission_control.integrations.memory.connection.wire import Exchange, Wire

_CLOSED = -32000
_TIMED_OUT = -32001
_INVALID_REQUEST = -32600
_INVALID_PARAMETERS = -32602
_REFUSED_UNREAD = {_INVALID_REQUEST, -32601, _INVALID_PARAMETERS, -32700}
# The request never left, so a write cannot have happened.
_NEVER_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"}


def diagnose(
    error: BaseException, server: ServerConfiguration, wire: Wire, exchange: Exchange
) -> Diagnosis:
    """What the failure of a connection or of a call means, without any secret of this server."""
    cause = _first_cause(error)
    found = _of_wire(wire, exchange, server) or _of_error(cause, exchange)
    return replace(found, reason=shortened(server.without_secrets(found.reason)))


def _of_wire(wire: Wire, exchange: Exchange, server: ServerConfiguration) -> Diagnosis | None:
    """What the transport saw is nearer to the cause than what became of it."""
    if wire.too_large or exchange.too_large:
        most = f"{server.max_result_bytes:,} bytes (max_result_bytes)"
        return Diagnosis(Trouble.NON_CONFORMING, f"answered with more than {most}")
    if wire.broken is not None:
        return Diagnosis(Trouble.NON_CONFORMING, f"was dropped: {wire.broken}")
    if wire.has_exited:
        return Diagnosis(Trouble.LOST, _how_it_ended(wire))
    if exchange.network_error is not None:
        never_sent = exchange.network_error in _NEVER_SENT
        trouble = Trouble.NOT_DONE if never_sent else Trouble.LOST
        return Diagnosis(trouble, f"could not be reached ({exchange.network_error})")
    return None


def _of_error(error: BaseException, exchange: Exchange) -> Diagnosis:
    match error:
        case MCPError():
            return _of_protocol(error, exchange)
        case TimeoutError():
            return Diagnosis(Trouble.UNREACHABLE, "did not answer in time")
        case OSError():
            return Diagnosis(Trouble.UNREACHABLE, f"cannot be started: {error.strerror}")
        case ValidationError():
            first = error.errors(include_input=False, include_url=False)[0]
            what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            return Diagnosis(Trouble.NON_CONFORMING, f"breaks the protocol: {what}")
        case asyncio.CancelledError() | anyio.ClosedResourceError() | anyio.BrokenResourceError():
            return Diagnosis(Trouble.LOST, "ended the connection")
        case _:
            first_line = str(error).strip().partition("\n")[0]
            return Diagnosis(Trouble.NON_CONFORMING, f"breaks the protocol: {first_line}")


def _of_protocol(error: MCPError, exchange: Exchange) -> Diagnosis:
    said = error.message
    if error.code == _TIMED_OUT:
        return Diagnosis(Trouble.UNREACHABLE, "did not answer in time")
    # A refusal's body, where it is JSON-RPC, says more than its status.
    if exchange.status is not None and error.code != _INVALID_PARAMETERS:
        return _of_status(exchange.status, exchange.retry_after)
    if error.code == _CLOSED:
        return Diagnosis(Trouble.LOST, "ended the connection")
    if error.code == _INVALID_REQUEST and "session" in said.lower():
        return Diagnosis(Trouble.NOT_DONE, "has forgotten our session")
    if error.code in _REFUSED_UNREAD:
        return Diagnosis(Trouble.REJECTED, f"rejected the request ({error.code}): {said}")
    return Diagnosis(Trouble.FAILED, f"failed ({error.code}): {said}")


def _of_status(status: int, retry_after: float | None) -> Diagnosis:
    match status:
        case 401 | 403:
            return Diagnosis(Trouble.UNAUTHORISED, f"refused our credentials ({status})")
        case 429:
            return Diagnosis(Trouble.BUSY, "asked us to slow down (429)", retry_after)
        case 404:  # before there is a session: nothing is there; after: the session is gone
            return Diagnosis(Trouble.NOT_DONE, "does not know what was asked for (404)")
        case _ if status >= 500:
            return Diagnosis(Trouble.LOST, f"is failing ({status})")
        case _ if status < 400:
            return Diagnosis(Trouble.UNREACHABLE, f"redirects to another place ({status})")
        case _:
            return Diagnosis(Trouble.NOT_DONE, f"refused the request ({status})")


def _how_it_ended(wire: Wire) -> str:
    code = wire.exit_code
    how = "stopped answering" if code is None else f"ended with exit code {code}"
    if code is not None and code < 0:
        how = f"was killed by signal {-code}"
    return f"{how}: {wire.last_lines[-1]}" if wire.last_lines else how


def _first_cause(error: BaseException) -> BaseException:
    """The first real failure inside groups of failures."""
    while isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        real = [each for each in group.exceptions if not isinstance(each, asyncio.CancelledError)]
        error = (real or list(group.exceptions))[0]
    return error
