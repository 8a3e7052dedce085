"""What the evaluate feature can refuse."""

from mission_control.core.errors import ConflictError, NotAcceptableError, NotFoundError


class NoScenariosError(NotAcceptableError):
    """There is nothing to evaluate."""

    code = "no_scenarios"
    field = "splits"


class OnlyDraftsError(NotAcceptableError):
    """Everything that could be measured by is a draft that nobody has reviewed."""

    code = "only_drafts"
    field = "splits"

    def __init__(self, drafts: int) -> None:
        count = "scenario is a draft" if drafts == 1 else f"{drafts} scenarios are drafts"
        super().__init__(
            f"The {count}: what a caller once heard is not yet known to be right. Nothing was "
            "started. Review what they expect, take `draft` away in the playbook, and try again.",
            drafts=drafts,
        )


class UnknownScenariosError(NotAcceptableError):
    """Scenarios were named that this version does not have."""

    code = "unknown_scenarios"
    field = "scenario_ids"

    def __init__(self, unknown: list[str]) -> None:
        super().__init__(
            "This version has no such scenarios; nothing was started.",
            errors=[{"field": "scenario_ids", "message": name[:120]} for name in unknown[:20]],
        )


class NothingToRerunError(ConflictError):
    """The latest evaluation left nothing to run again."""

    code = "nothing_to_rerun"


class NoEvaluationError(NotFoundError):
    """This agent has not been evaluated yet."""

    code = "no_evaluation"
