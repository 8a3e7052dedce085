"""What a playbook asks for and does not get is said, one sentence for each, and no value with it."""

from typing import Any

import pytest

from mission_control.core.unmet_requests import unmet_requests


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"language_model": {"api_base": "http://secret"}}, "`language_model.api_base`"),
        ({"language_model": {"base_url": "http://secret"}}, "`language_model.base_url`"),
        ({"language_model": {"api_key": "secret"}}, "`language_model.api_key`"),
        ({"datasets": ["secret"]}, "`datasets`"),
        ({"optimization": {"metric": "secret"}}, "`optimization.metric`"),
        ({"optimization": {"optimizer": "secret"}}, "`optimization.optimizer`"),
        ({"evaluation": {"builtin_metrics": ["secret"]}}, "`evaluation.builtin_metrics`"),
    ],
)
def test_each_is_named(spec: dict[str, Any], named: str) -> None:
    [sentence] = unmet_requests({"spec": spec})
    assert named in sentence
    assert "secret" not in sentence


@pytest.mark.parametrize(
    "playbook",
    [{}, {"spec": None}, {"spec": {"language_model": "gpt"}}, {"spec": {"datasets": []}},
     {"spec": {"language_model": {"model": "gpt"}, "evaluation": {}}}],
)  # fmt: skip
def test_what_is_not_asked_for_is_not_said(playbook: dict[str, Any]) -> None:
    assert unmet_requests(playbook) == []
