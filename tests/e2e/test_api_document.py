"""The API document against the running product: what it promises is so, and nothing else is."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.harness import running
from tests.e2e.schemathesis_hooks import CLOSE_WEBHOOK_KEY
from tests.services import REPOSITORY

HERE = Path(__file__).parent
EXAMPLES_OF_AN_OPERATION = 8


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_product_does_what_its_document_says(tmp_path: Path) -> None:
    with running(tmp_path, CLOSE_WEBHOOK_KEY=CLOSE_WEBHOOK_KEY) as product:
        with product.client() as api:
            for name in ("remus", "scout", "genesis"):
                api.import_agent(name)
        found = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli"),
                *("--config-file", HERE / "schemathesis.toml"),
                *("run", f"{product.origin}/openapi.json", "--checks", "all"),
                *("--max-examples", str(EXAMPLES_OF_AN_OPERATION)),
            ],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
    assert found.returncode == 0, found.stdout[-20_000:] + found.stderr[-2_000:]
