"""Asks a language model's server whether it is there and takes our key, without paying for it."""

from typing import ClassVar

import httpx2
from pydantic import SecretStr

from mission_control.integrations.http.client import HttpIntegration
from mission_control.integrations.http.connections import trusted_authorities


class ModelProbe(HttpIntegration):
    vendor: ClassVar[str] = "The language model's server"

    async def check(self) -> str:
        """One sentence on what was found. Raises IntegrationError."""
        answer = await self._read("/models")
        models = answer.get("data") if isinstance(answer, dict) else None
        return f"{len(models)} models" if isinstance(models, list) else "answers"


def open_model_probe(base_url: str, key: SecretStr | None) -> ModelProbe:
    headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key is not None else {}
    return ModelProbe(
        httpx2.AsyncClient(
            base_url=base_url.rstrip("/"),
            headers=headers,
            timeout=5.0,
            verify=trusted_authorities(trust_env=True),
        )
    )
