"""By what an assistant has its calls judged: the rubric of its success evaluation."""

from mission_control.core.json_types import JsonObject
from mission_control.core.words import SuccessRubric
from mission_control.integrations.vapi.json_fields import object_in

RUBRICS = {
    "PassFail": SuccessRubric.PASS_FAIL,
    "NumericScale": SuccessRubric.NUMERIC,
    "PercentageScale": SuccessRubric.PERCENTAGE,
    "DescriptiveScale": SuccessRubric.DESCRIPTIVE,
    "LikertScale": SuccessRubric.LIKERT,
    "Checklist": SuccessRubric.CHECKLIST,
    "Matrix": SuccessRubric.MATRIX,
    "AutomaticRubric": SuccessRubric.AUTOMATIC,
}


def rubric_of(assistant: JsonObject) -> SuccessRubric | None:
    """Vapi judges by pass or fail unless it is told otherwise. None: by one that we do not know."""
    told = _named(assistant)
    return SuccessRubric.PASS_FAIL if told is None else RUBRICS.get(told)


def rubric_of_call(raw: JsonObject) -> SuccessRubric | None:
    """As the call itself has its assistant; None when it does not say."""
    overridden = _named(object_in(raw, "assistantOverrides"))
    if overridden is not None:
        return RUBRICS.get(overridden)
    assistant = object_in(raw, "assistant")
    # A shortened assistant, with its name alone, says nothing of how it judges.
    is_whole = "analysisPlan" in assistant or "model" in assistant
    return rubric_of(assistant) if is_whole else None


def _named(config: JsonObject) -> str | None:
    plan = object_in(object_in(config, "analysisPlan"), "successEvaluationPlan")
    told = plan.get("rubric") or config.get("successEvaluationRubric")
    return told if isinstance(told, str) else None
