"""The memory page: what is remembered and changed, found, and given to an agent."""

from typing import Any

from tests.builders import a_playbook
from tests.ui.conftest import Open, ServedApi


def remember(api: ServedApi, content: str, **changes: Any) -> Any:
    return api.post("/api/memory/memories", {"content": content, **changes})


def shown(console: Any) -> dict[str, str]:
    return {metric.label: metric.value for metric in console.metric}


def test_an_empty_memory_says_what_to_do(api: ServedApi, open_page: Open) -> None:
    console = open_page("memory")
    assert console.info[0].value.startswith("Nothing is remembered here.")
    assert any(text.value.startswith("Last synced never") for text in console.markdown)
    servers = console.table[0].value
    assert all(":blue-badge[embedded]" in name for name in servers["Server"])
    assert list(servers["Keeps"]) == ["memories", "conversations"]


def test_remembering_finding_and_syncing(api: ServedApi, open_page: Open) -> None:
    remember(api, "Opens at eight", tier=1)
    console = open_page("memory")
    console.text_area(key="memory_add_content").input("Likes *mornings*")
    console.selectbox(key="memory_add_kind").select("preference")
    console.button(key="memory_add_now").click().run()
    assert not console.exception
    assert shown(console) == {"Memories": "2", "Facts": "1", "Preferences": "1", "Contexts": "0"}
    assert list(console.dataframe[0].value["What"]) == ["Likes *mornings*", "Opens at eight"]

    console.text_input(key="memory_query").input("who likes mornings").run()
    assert any(text.value == "Likes *mornings*" for text in console.text)

    console.button(key="memory_sync").click().run()
    api.work()
    console.run()
    assert any("Everything is read" in each.value for each in console.success)
    assert any("temporal-memory" in text.value for text in console.markdown)
    assert not console.exception


def test_an_agent_is_given_a_part_of_it(api: ServedApi, open_page: Open) -> None:
    api.post("/api/agents", {"playbook": a_playbook()})
    remember(api, "Opens at eight", tier=1, valid_from="2026-02-01")
    remember(api, "Closed on Sundays", tier=3, valid_from="2026-03-01")
    console = open_page("memory")
    assert any("is given nothing of the memory" in text.value for text in console.markdown)
    both = next(each.value for each in console.code if "Opens at eight" in each.value)
    assert both.index("Opens at eight") < both.index("Closed on Sundays")

    console.number_input(key="context_ada_0_budget").set_value(50).run()
    console.multiselect(key="context_ada_0_excluded").select(
        console.multiselect(key="context_ada_0_excluded").options[0]
    ).run()
    console.button(key="context_save").click().run()
    assert not console.exception
    saved = api.get("/api/memory/context/ada")
    assert saved["number"] == 1
    assert saved["settings"]["token_budget"] == 50
    assert [each["memory"]["content"] for each in saved["items"]] == ["Closed on Sundays"]
    assert any("version 1 of its context" in text.value for text in console.markdown)

    console.button(key="context_reset").click().run()
    assert not console.exception
    assert api.get("/api/memory/context/ada")["number"] is None
