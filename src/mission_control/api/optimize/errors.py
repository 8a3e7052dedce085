"""What the optimize feature can refuse."""

from mission_control.core.errors import ConflictError, NotAcceptableError, NotFoundError


class OptimizationRunningError(ConflictError):
    """An optimization of this agent is still going on."""

    code = "optimization_running"

    def __init__(self, job_id: str) -> None:
        super().__init__(
            "An optimization of this agent is still going on; nothing new was started. "
            "Wait for it or cancel it.",
            job_id=job_id,
        )


class TooFewScenariosError(NotAcceptableError):
    """The splits are too small to search and compare on."""

    code = "too_few_scenarios"
    field = "agent_id"


class UnpricedBudgetError(NotAcceptableError):
    """A budget in USD cannot be kept with a model whose price is unknown."""

    code = "unpriced_budget"
    field = "max_cost_usd"

    def __init__(self, models: list[str]) -> None:
        super().__init__(
            "A budget in USD cannot be kept: the price of a model is unknown. Nothing was started. "
            "Give its price in MC_MODEL_PRICES, or limit metric calls or minutes instead.",
            errors=[{"field": "max_cost_usd", "message": f"{name} is unpriced"} for name in models],
        )


class NoOptimizationError(NotFoundError):
    """This agent has not been optimized yet."""

    code = "no_optimization"


class NothingToCompleteError(ConflictError):
    """This optimization has its verdict, or has no candidate that could get one."""

    code = "nothing_to_complete"
