"""The same feature name in every layer, and a test for each."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
API = ROOT / "src" / "mission_control" / "api"
FEATURES = sorted(path.parent.name for path in API.glob("*/router.py"))


# Everything else belongs to a feature, and lies in its folder.
PLUMBING = {
    "app",
    "asyncapi",
    "deps",
    "document",
    "job_kinds",
    "problems",
    "queue",
    "realtime",
    "requests",
    "resources",
    "schedule",
}


def test_only_plumbing_lies_beside_the_features() -> None:
    assert {path.stem for path in API.glob("*.py")} == PLUMBING | {"__init__"}


def test_asking_doing_and_reading_are_not_one_service() -> None:
    assert list(API.rglob("service.py")) == []


@pytest.mark.parametrize("feature", FEATURES)
def test_has_a_docstring_in_every_file(feature: str) -> None:
    for path in (API / feature).glob("*.py"):
        text = path.read_text()
        assert not text or text.startswith('"""'), path


@pytest.mark.parametrize("feature", FEATURES)
def test_is_tested(feature: str) -> None:
    tests = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    elsewhere = {
        "agent_import": "/api/agents/import",
        "sync": "/api/system/sync",
        "test_split": "/api/agents/ada/test-split",
        "webhooks": "/webhooks/",
    }
    prefix = elsewhere.get(feature, f"/api/{feature}")
    assert any(prefix in text or f"{feature}/" in text for text in tests)


def test_long_work_of_every_kind_has_a_task() -> None:
    from mission_control.api.queue import TASKS
    from mission_control.core.words import JobKind
    from mission_control.worker.main import celery_app

    assert set(TASKS) == set(JobKind)
    for task, _ in TASKS.values():
        assert task in celery_app.tasks
