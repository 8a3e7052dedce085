"""Finds the engine: which Python has SuperOptiX, and where the engine host's source is."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mission_control.integrations.errors import SuperOptiXError
from mission_control_protocol import VERSION

_PACKAGE = Path("src") / "engine_host"
_PACKAGES = (
    "lib/python*/site-packages",
    "lib/python*/dist-packages",
    "Lib/site-packages",
)


@dataclass(frozen=True)
class EngineLocation:
    """Where to look. Everything is looked up when an engine starts, not before.

    `superoptix_path` is an environment's folder or its Python; None means the engine's own
    environment, which `make run` installs. An environment in which the engine host is installed
    runs that one; with another, the engine host of this repository is lent to it. `engine` is the
    folder of an engine project to use in any case.
    """

    superoptix_path: Path | None = None
    engine: Path | None = None

    def sources(self) -> list[Path]:
        """The folders to import `engine_host` and its protocol from; none if both are installed.

        Raises SuperOptiXError of kind `config`.
        """
        if self.engine is None and self.superoptix_path is not None:
            python = next(_pythons_of(self.superoptix_path.absolute()), None)
            if python is not None and _has(python, "engine_host"):
                return []
        project = self._engine_project()
        return [project / "src", project.parent / "protocol" / "src"]

    def python(self) -> Path:
        """The interpreter to run. Raises SuperOptiXError of kind `config`."""
        if self.superoptix_path is None:
            return self._own_python()
        python = next(_pythons_of(self.superoptix_path.absolute()), None)
        if python is None:
            raise _refusal(
                "SUPEROPTIX_PATH names neither a Python environment nor a Python executable.",
                "Correct it, or remove it to use the engine that `make run` installs.",
            )
        if not _has(python, "superoptix"):
            raise _refusal(
                "SUPEROPTIX_PATH names a Python that does not have SuperOptiX.",
                "Install superoptix there, or remove the setting to use the engine that"
                " `make run` installs.",
            )
        return python

    def of_another_release(self, version: int) -> str:
        """What is wrong when the engine speaks this version of the protocol."""
        whose = "the engine" if self.superoptix_path is None else "the engine at SUPEROPTIX_PATH"
        return (
            f"{whose} is of another release (it speaks version {version} of the protocol, this"
            f" Mission Control version {VERSION})"
        )

    def _own_python(self) -> Path:
        python = next(_pythons_of(self._engine_project() / ".venv"), None)
        if python is None or not _has(python, "superoptix"):
            raise _refusal(
                "The engine is not installed.",
                "`make run` installs it; or let SUPEROPTIX_PATH name an environment that has it.",
            )
        return python

    @property
    def has_project(self) -> bool:
        """False for an installation from wheels: no engine is beside it."""
        try:
            self._engine_project()
        except SuperOptiXError:
            return False
        return True

    def _engine_project(self) -> Path:
        beside = [folder / "engine" for folder in Path(__file__).parents]
        for project in beside if self.engine is None else [self.engine.absolute()]:
            if (project / _PACKAGE).is_dir():
                return project
        raise _refusal(
            "The engine's source is not beside this installation.",
            "Run Mission Control from its repository with `make run`, or let SUPEROPTIX_PATH name an"
            " environment in which the wheel of engine-host is installed (docs/operations.md).",
        )


def _pythons_of(path: Path) -> Iterator[Path]:
    """Symbolic links stay as they are: an environment's Python is one."""
    if path.is_file():
        yield path
    for inside in ("bin/python", ".venv/bin/python", "Scripts/python.exe"):
        if (path / inside).is_file():
            yield path / inside


def _has(python: Path, package: str) -> bool:
    prefix = python.parent.parent
    return any(any(prefix.glob(f"{packages}/{package}-*.dist-info")) for packages in _PACKAGES)


def _refusal(what: str, next_step: str) -> SuperOptiXError:
    return SuperOptiXError(f"{what} No engine was started. {next_step}", kind="config")
