"""One run of a command: where it prints, whom it asks, and how it ends."""

import json
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn, TextIO
from uuid import UUID

import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console, RenderableType
from rich.text import Text

from mission_control.client.api_client import ApiClient
from mission_control.client.errors import ApiProblemError, ApiUnreachableError, JobNotOverError
from mission_control.core.errors import MissionControlError
from mission_control.core.settings import Settings, get_settings

DONE, FAILED, REFUSED, UNAVAILABLE, INTERRUPTED = 0, 1, 2, 3, 130

# Statuses with which the API says that something else is not there.
DEPENDENCY_STATUSES = frozenset({424, 429, 503})
EVERYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104  # compared, not bound
WIDTH_OF_A_PIPE = 140


class CommandError(Exception):
    """The command ends here. The message is one line: what happened, what was kept, what next."""

    def __init__(
        self,
        message: str,
        *,
        exit_code: int = REFUSED,
        code: str = "refused",
        fields: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code
        self.code = code
        self.fields = dict(fields or {})


class Screen:
    """Results go to stdout, everything else to stderr."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.out = _console(sys.stdout)
        self.err = _console(sys.stderr)

    def note(self, text: str, style: str = "dim") -> None:
        """Say something that is not the result."""
        self.err.print(Text(text, style), soft_wrap=True)

    def answer(self, document: BaseModel | Mapping[str, Any], *shown: RenderableType) -> None:
        """Give the result: as its JSON document, or as it is shown to a person. Call it once."""
        if self.as_json:
            sys.stdout.write(f"{_as_json(document)}\n")
            return
        for renderable in shown:
            self.show(renderable)

    def show(self, renderable: RenderableType) -> None:
        # Texts are not wrapped: a diff that goes into a pipe stays one.
        self.out.print(renderable, soft_wrap=isinstance(renderable, Text))


class Session:
    """A screen and the API. `left_behind` is the job that an interruption leaves running."""

    def __init__(self, screen: Screen, client: ApiClient) -> None:
        self.screen = screen
        self.client = client
        self.left_behind: UUID | None = None


@contextmanager
def open_session(*, as_json: bool, api_url: str | None) -> Generator[Session]:
    """For the length of one command. Turns every named error into one line and an exit code."""
    screen = Screen(as_json=as_json)
    session: Session | None = None
    with reporting(screen):
        try:
            with ApiClient(
                api_url or base_url(get_settings()), name="mission-control-cli"
            ) as client:
                session = Session(screen, client)
                yield session
        except KeyboardInterrupt:
            raise _interrupted(session.left_behind if session else None) from None


@contextmanager
def reporting(screen: Screen) -> Generator[None]:
    """Turn every named error into one line on stderr, a document with `--json`, an exit code."""
    try:
        yield
    except CommandError as error:
        _end(screen, error)
    except ApiProblemError as error:
        _end(screen, _of_problem(error))
    except ApiUnreachableError as error:
        _end(screen, CommandError(error.message, exit_code=UNAVAILABLE, code="api_unreachable"))
    except JobNotOverError as error:
        fields = {"job_id": str(error.job.id)}
        _end(
            screen,
            CommandError(error.message, exit_code=FAILED, code="job_not_over", fields=fields),
        )
    except MissionControlError as error:
        _end(screen, CommandError(error.message, code=error.code, fields=error.fields))
    except ValidationError as error:
        _end(screen, CommandError(_first_wrong(error), code="invalid_option"))
    except KeyboardInterrupt:
        _end(screen, _interrupted(None))


def base_url(settings: Settings) -> str:
    """Where the API of these settings is reached from this machine."""
    return address(settings, settings.mc_api_port)


def address(settings: Settings, port: int) -> str:
    host = "127.0.0.1" if settings.mc_host in EVERYWHERE else settings.mc_host
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def given(**options: object) -> dict[str, object]:
    """The options that somebody set: the API has its own defaults for the others."""
    return {name: value for name, value in options.items() if value not in (None, [], ())}


def _end(screen: Screen, error: CommandError) -> NoReturn:
    if screen.as_json:
        screen.answer({"error": {**error.fields, "code": error.code, "detail": error.message}})
    screen.note(error.message, "bold red" if error.exit_code != INTERRUPTED else "yellow")
    raise typer.Exit(error.exit_code)


def _of_problem(problem: ApiProblemError) -> CommandError:
    each = (f"{field}: {message}" for field, message in problem.errors)
    wrong = "; ".join(one for one in each if one not in problem.detail)
    message = f"{problem.detail} ({wrong})" if wrong else problem.detail
    if known := problem.fields.get("known"):
        message += f" Known: {', '.join(map(str, known))}."
    if "job_id" in problem.fields:
        message += f" (job {problem.fields['job_id']})"
    blames_the_playbook = problem.fields.get("kind") == "playbook"
    if problem.status in DEPENDENCY_STATUSES and not blames_the_playbook:
        exit_code = UNAVAILABLE
    else:
        exit_code = REFUSED if problem.status < 500 else FAILED
    return CommandError(
        message,
        exit_code=exit_code,
        code=problem.code,
        fields={**problem.fields, "status": problem.status},
    )


def _interrupted(job_id: UUID | None) -> CommandError:
    if job_id is None:
        return CommandError("Interrupted.", exit_code=INTERRUPTED, code="interrupted")
    return CommandError(
        f"Interrupted. Job {job_id} goes on; cancel it with `mission-control jobs cancel {job_id}`.",
        exit_code=INTERRUPTED,
        code="interrupted",
        fields={"job_id": str(job_id)},
    )


def _first_wrong(error: ValidationError) -> str:
    first = error.errors()[0]
    option = "--" + "-".join(str(part) for part in first["loc"]).replace("_", "-")
    return f"{option if first['loc'] else 'Options'}: {first['msg']}. Nothing was started."


def _as_json(document: BaseModel | Mapping[str, Any]) -> str:
    if isinstance(document, BaseModel):
        return document.model_dump_json(indent=2)
    return json.dumps(document, indent=2, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)


def _console(file: TextIO) -> Console:
    return Console(
        file=file,
        highlight=False,
        markup=False,
        emoji=False,
        width=None if file.isatty() else WIDTH_OF_A_PIPE,
    )
