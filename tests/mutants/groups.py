"""Which code is mutated, and which tests must notice."""

from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
MUTATED = (
    REPOSITORY / ".mutants"
)  # copies of `src`, in which each function has its mutants beside it


@dataclass(frozen=True)
class Group:
    """Tests are named because a change must be noticed near by, not by the storm."""

    name: str
    code: tuple[str, ...]  # globs below src/mission_control
    tests: tuple[str, ...]  # below tests/


GROUPS = (
    Group("core", ("core/**/*.py",), ("unit",)),
    Group(
        "outbox",
        ("data/outbox*.py",),
        ("integration/test_outbox_relay.py", "integration/test_outbox.py"),
    ),
    Group(
        "jobs",
        ("api/jobs/*.py",),
        (
            "unit/test_waiting.py",
            "integration/test_leases.py",
            "integration/test_asking_for_work.py",
            "integration/test_job_runs.py",
            "integration/test_jobs_api.py",
            "integration/test_races.py",
            "integration/test_queues.py",
        ),
    ),
    Group(
        "deployments",
        ("api/deployments/*.py",),
        (
            "integration/test_deployments_api.py",
            "integration/test_deployment_promises.py",
            "integration/test_changed_at_vapi.py",
            "integration/test_edits_at_every_moment.py",
            "integration/test_jobs_api.py",
            "integration/test_drift_api.py",
        ),
    ),
)
