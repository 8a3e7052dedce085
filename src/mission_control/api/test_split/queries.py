"""What is read of the test split's ledger."""

from mission_control.api.test_split.ledger import split_state
from mission_control.api.test_split.schemas import ReadingRead, SplitRead
from mission_control.core.playbook import parse_playbook, scenarios_in
from mission_control.data.unit_of_work import UnitOfWork


async def show_test_split(uow: UnitOfWork, agent_id: str) -> SplitRead:
    agent = await uow.agents.get(agent_id)
    playbook = parse_playbook((await uow.agents.current(agent)).playbook)
    state = await split_state(uow, playbook)
    return SplitRead(
        agent_id=agent_id,
        version=agent.current_version,
        readings=state.readings,
        next_reading=state.next_reading,
        next_level=state.next_level,
        uncounted_evaluations=len(await uow.split_readings.uncounted(agent_id)),
        scenarios=len(scenarios_in(agent_id, playbook, "test")),
        questions=len(state.found.questions),
        never_read=list(state.never_read),
        leaked=list(state.found.leaked),
        copies=[list(group) for group in state.found.copies],
        same_questions=list(state.found.pairs),
        history=[
            ReadingRead.model_validate(reading)
            for reading in await uow.split_readings.counted(agent_id)
        ],
    )
