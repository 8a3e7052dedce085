"""What an operator reads when the engine could not do it."""

import re
from typing import get_args

import pytest

from mission_control.integrations.superoptix.failures import failure
from mission_control_protocol import ErrorKind, Usage


@pytest.mark.parametrize("kind", get_args(ErrorKind))
def test_every_kind_says_what_happened_what_was_kept_and_what_to_do(kind: ErrorKind) -> None:
    error = failure(kind, "the reason.", kept="Trials are kept.")
    assert re.fullmatch(r"[A-Z][^.]+\. Trials are kept\. [A-Z].+\.", error.message)
    assert error.kind == kind
    assert error.fields == {"kind": kind, "detail": "the reason."}


def test_usage_travels_as_plain_data() -> None:
    error = failure("auth", usage=Usage(calls=3, cost_usd=0.01))
    assert error.fields["usage"] == {
        "calls": 3, "input_tokens": 0, "output_tokens": 0, "cost_usd": 0.01,
    }  # fmt: skip
    assert error.message == (
        "The model refused the credentials. Nothing was changed. Check OPENAI_API_KEY."
    )
