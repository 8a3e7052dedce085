"""One execution of an agent on one input, and the way every execution goes."""

import time

import dspy

from engine_host import compiler
from engine_host.checks import output_of
from engine_host.compiler import Prepared
from engine_host.errors import EngineFailure, as_truncated, kind_of
from engine_host.journal import Journal
from engine_host.meter import USED, Bucket, Limits, Meter
from engine_host.models import MeteredLM
from engine_host.wire import Reply
from mission_control_protocol import Ran, Run

_PATIENCE_SECONDS = 30.0  # somebody is waiting


def execute(
    prepared: Prepared, program: dspy.Module, lm: MeteredLM, given: dict[str, str]
) -> dict[str, str]:
    """Run the program once; the context is this thread's own, nothing global is configured."""
    arguments = prepared.arguments(given)
    with dspy.context(
        lm=lm, adapter=prepared.adapter(), trace=[], callbacks=[], max_history_size=0
    ):
        try:
            prediction = program(**arguments)
        except EngineFailure:
            raise
        except Exception as error:
            raise EngineFailure(kind_of(error), str(error)) from error
    return output_of(prediction, tuple(field.name for field in prepared.outputs))


def answer(request: Run, reply: Reply) -> None:
    meter = Meter(Journal(), Limits(reply.cancelled.is_set, patience=_PATIENCE_SECONDS))
    reply.usage = meter.total
    prepared = compiler.prepare(request.program)
    bucket = Bucket()
    USED.set(bucket)
    started = time.perf_counter()
    lm = MeteredLM(request.model, "task", meter)
    try:
        output = execute(prepared, prepared.build(), lm, request.inputs)
    except EngineFailure as failure:
        raise (as_truncated(failure) if bucket.is_cut else failure) from failure
    finally:
        USED.set(None)
    latency = time.perf_counter() - started - bucket.waited_seconds
    reply.finish(
        Ran(
            id=request.id,
            output=output,
            latency_ms=round(latency * 1000, 1),
            usage=meter.total(),
            truncated=bucket.is_cut,
            thinking="\n".join(bucket.thinking) or None,
        )
    )
