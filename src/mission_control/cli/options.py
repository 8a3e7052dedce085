"""The options and arguments that several commands share. Light: every `--help` imports it."""

from typing import Annotated

import typer

AsJson = Annotated[
    bool,
    typer.Option("--json", help="One JSON document on stdout; everything else goes to stderr."),
]
ApiUrl = Annotated[
    str | None,
    typer.Option(
        "--api-url",
        metavar="URL",
        help="Where the API is.  [default: MC_HOST and MC_API_PORT]",
        show_default=False,
    ),
]
AgentId = Annotated[str, typer.Argument(metavar="AGENT", help="Id of the agent, such as remus.")]
Limit = Annotated[int, typer.Option(min=1, max=200, help="How many at the most.")]
Wait = Annotated[bool, typer.Option(help="Wait for the end, or only start it.")]
Watch = Annotated[bool, typer.Option("--watch", help="Show live what happens.")]
Model = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="As LiteLLM names it, such as openai/gpt-4o-mini."),
]
Concurrency = Annotated[
    int | None,
    typer.Option(min=1, max=128, help="Scenarios at once; a rate limit lowers it.  [default: 16]"),
]
