"""The agents feature through its HTTP door."""

import httpx2
import pytest
import yaml

from mission_control.core.playbook_parts import RESERVED_AGENT_IDS
from tests.builders import a_playbook, a_scenario


async def imported(client: httpx2.AsyncClient, **request: object) -> httpx2.Response:
    return await client.post("/api/agents", json={"playbook": a_playbook(), **request})


class TestImport:
    async def test_makes_a_first_version(self, client: httpx2.AsyncClient) -> None:
        response = await imported(client, type="phone_bot")
        assert response.status_code == 201
        assert response.headers["location"] == "/api/agents/ada"
        agent = response.json()
        assert agent["status"] == "dev"
        assert agent["current_version"] == 1
        assert agent["deployed_version"] is None
        assert agent["prompt"] == "You answer the phone. Be brief."
        assert {s["split"] for s in agent["scenarios"]} == {"train", "validation", "test"}

    async def test_twice_is_a_conflict(self, client: httpx2.AsyncClient) -> None:
        await imported(client)
        response = await imported(client, type="webhook")
        assert response.status_code == 409
        assert response.json()["code"] == "agent_exists"
        assert (await client.get("/api/agents/ada")).json()["type"] == "standalone"

    @pytest.mark.parametrize("agent_id", sorted(RESERVED_AGENT_IDS))
    async def test_an_id_that_is_an_address_here_is_refused(
        self, client: httpx2.AsyncClient, agent_id: str
    ) -> None:
        response = await imported(client, playbook=a_playbook(agent_id))
        assert (response.status_code, response.json()["code"]) == (422, "agent_id_reserved")
        assert (await client.get("/api/agents")).json()["items"] == []

    async def test_a_field_that_breaks_out_is_only_a_name(self, client: httpx2.AsyncClient) -> None:
        hostile = a_playbook(input_fields=[{"name": "x: str\n    import os", "type": "str"}])
        assert (await imported(client, playbook=hostile)).status_code == 201
        compiled = (await client.post("/api/agents/ada/compile")).json()
        assert [name.isidentifier() for name in compiled["inputs"]] == [True]

    async def test_a_field_that_is_python_is_refused(self, client: httpx2.AsyncClient) -> None:
        hostile = a_playbook(input_fields=[{"name": "class", "type": "str"}])
        response = await imported(client, playbook=hostile)
        assert response.status_code == 424
        assert response.json()["code"] == "superoptix_failed"
        assert response.json()["kind"] == "playbook"
        assert (await client.get("/api/agents")).json()["items"] == []

    async def test_both_or_no_source(self, client: httpx2.AsyncClient) -> None:
        for request in ({}, {"playbook": "x", "marketplace": "y"}):
            response = await client.post("/api/agents", json=request)
            assert response.status_code == 422
            assert response.headers["content-type"] == "application/problem+json"

    async def test_from_the_marketplace(self, client: httpx2.AsyncClient) -> None:
        names = (await client.get("/api/agents/marketplace")).json()["names"]
        assert len(names) > 190
        response = await client.post("/api/agents", json={"marketplace": names[0]})
        assert response.status_code == 201
        assert response.json()["prompt"]

    async def test_an_unknown_marketplace_name(self, client: httpx2.AsyncClient) -> None:
        response = await client.post("/api/agents", json={"marketplace": "no_such_thing"})
        assert response.status_code == 424
        assert response.json()["kind"] == "playbook"


class TestEdit:
    async def test_a_new_prompt_is_a_new_version(self, client: httpx2.AsyncClient) -> None:
        await imported(client)
        response = await client.put("/api/agents/ada", json={"prompt": 'Say "hello" """twice""".'})
        assert response.status_code == 200
        assert response.json()["current_version"] == 2
        assert response.json()["prompt"] == 'Say "hello" """twice""".'
        versions = (await client.get("/api/agents/ada/versions")).json()["items"]
        assert [(v["number"], v["origin"], v["parent"]) for v in versions] == [
            (2, "edit", 1),
            (1, "import", None),
        ]
        diff = (await client.get("/api/agents/ada/versions/1/diff/2")).json()
        assert "-You answer the phone. Be brief." in diff["prompt"]

    async def test_the_same_again_is_no_version(self, client: httpx2.AsyncClient) -> None:
        await imported(client)
        reordered = yaml.safe_dump(yaml.safe_load(a_playbook()), sort_keys=True)
        response = await client.put("/api/agents/ada", json={"playbook": reordered})
        assert response.json()["current_version"] == 1

    async def test_an_edit_of_an_old_version_is_refused(self, client: httpx2.AsyncClient) -> None:
        await imported(client)
        await client.put("/api/agents/ada", json={"prompt": "Second.", "based_on": 1})
        response = await client.put("/api/agents/ada", json={"prompt": "Third.", "based_on": 1})
        assert response.status_code == 409
        assert response.json()["code"] == "version_changed"
        assert response.json()["current_version"] == 2

    async def test_another_agents_playbook_is_refused(self, client: httpx2.AsyncClient) -> None:
        await imported(client)
        response = await client.put("/api/agents/ada", json={"playbook": a_playbook("bob")})
        assert response.status_code == 422
        assert response.json()["code"] == "agent_id_changed"

    async def test_broken_playbooks_change_nothing(self, client: httpx2.AsyncClient) -> None:
        await imported(client)
        twice = a_playbook(scenarios=[a_scenario("a"), a_scenario("a")])
        for broken in ("{", "!!python/object/apply:os.system ['true']", "just text", twice):
            response = await client.put("/api/agents/ada", json={"playbook": broken})
            assert response.status_code == 422, broken
            assert response.json()["code"] == "playbook_invalid"
            assert response.json()["errors"]
        assert (await client.get("/api/agents/ada")).json()["current_version"] == 1


class TestRead:
    async def test_an_unknown_agent(self, client: httpx2.AsyncClient) -> None:
        for path in ("", "/status", "/versions", "/versions/1", "/versions/1/diff/2"):
            response = await client.get(f"/api/agents/nobody{path}")
            assert response.status_code == 404, path
            assert response.json()["code"] == "not_found"

    async def test_lists_by_filter(self, client: httpx2.AsyncClient) -> None:
        await imported(client, type="webhook")
        for query, expected in (("type=webhook", 1), ("type=phone_bot", 0), ("status=dev", 1)):
            page = (await client.get(f"/api/agents?{query}")).json()
            assert len(page["items"]) == expected, query
            assert page["next_cursor"] is None

    async def test_bad_queries_are_refused(self, client: httpx2.AsyncClient) -> None:
        for query in ("limit=0", "limit=201", "cursor=garbage", "status=asleep"):
            response = await client.get(f"/api/agents?{query}")
            assert response.status_code == 422, query

    async def test_compiles(self, client: httpx2.AsyncClient) -> None:
        await imported(client)
        compiled = (await client.post("/api/agents/ada/compile")).json()
        assert compiled["inputs"] == ["caller_says"]
        assert compiled["outputs"] == ["reply"]
        assert compiled["version"] == 1


class TestDelete:
    async def test_takes_everything_with_it(self, client: httpx2.AsyncClient) -> None:
        await imported(client)
        assert (await client.delete("/api/agents/ada")).status_code == 204
        assert (await client.get("/api/agents/ada")).status_code == 404

    async def test_not_while_a_job_is_open(self, client: httpx2.AsyncClient) -> None:
        await imported(client)
        job = (await client.post("/api/evaluate/ada", json={})).json()
        response = await client.delete("/api/agents/ada")
        assert response.status_code == 409
        assert response.json()["job_id"] == job["id"]
