"""What whoever imports or edits an agent should know about its playbook."""

from mission_control.core import same_questions
from mission_control.core.playbook import Playbook
from mission_control.core.unmet_requests import unmet_requests


def warnings_of(playbook: Playbook) -> list[str]:
    """What it asks for and does not get, and scenarios that ask the same question."""
    found = same_questions.same_questions(playbook.agent_id, playbook.reviewed)
    return [*unmet_requests(playbook.data), *same_questions.warnings(found)]
