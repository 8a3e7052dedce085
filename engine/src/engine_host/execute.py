"""One execution of an agent on one input, and the way every execution goes."""

import time

import dspy

from engine_host import compiler
from engine_host.checks import output_of
from engine_host.compiler import Prepared
from engine_host.errors import EngineFailure, kind_of
from engine_host.journal import Journal
from engine_host.meter import Limits, Meter
from engine_host.models import MeteredLM
from engine_host.wire import Reply
from mission_control_protocol import Ran, Run


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
    meter = Meter(Journal(), Limits(reply.cancelled.is_set))
    reply.usage = meter.total
    prepared = compiler.prepare(request.program)
    started = time.perf_counter()
    lm = MeteredLM(request.model, "task", meter)
    output = execute(prepared, prepared.build(), lm, request.inputs)
    reply.finish(
        Ran(
            id=request.id,
            output=output,
            latency_ms=round((time.perf_counter() - started) * 1000, 1),
            usage=meter.total(),
        )
    )
