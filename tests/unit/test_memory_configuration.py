"""memory.toml: what it may say, and how it is told what is wrong with it."""

from pathlib import Path

import pytest

from mission_control.integrations.memory.config.configuration import MemoryConfiguration
from mission_control.integrations.memory.config.locations import line_of
from mission_control.integrations.memory.config.operations import Operation
from mission_control.integrations.memory.config.presets import presets
from mission_control.integrations.memory.config.reading import load_configuration, variable
from mission_control.integrations.memory.errors import MemoryConfigurationError

SECRET = "s3cr3t-of-the-clinic"  # noqa: S105


def load(tmp_path: Path, text: str) -> MemoryConfiguration:
    file = tmp_path / "memory.toml"
    file.write_text(text)
    return load_configuration(file, read_variable={"TOKEN": SECRET}.get)


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(MemoryConfigurationError) as wrong:
        load(tmp_path, text)
    return wrong.value.problems


@pytest.mark.parametrize("path", [None, Path("/nowhere/memory.toml")])
def test_without_a_file_there_are_the_two_embedded_servers(path: Path | None) -> None:
    servers = load_configuration(path).servers
    assert {name: (s.transport, s.role) for name, s in servers.items()} == {
        "temporal-memory": ("embedded", "temporal"),
        "hybrid-intelligence": ("embedded", "hybrid"),
    }


def test_every_preset_is_valid_as_it_is(tmp_path: Path) -> None:
    expected = {
        "temporal-memory", "hybrid-intelligence", "private-temporal-memory",
        "private-hybrid-intelligence", "server-memory", "basic-memory", "mcp-memory-service",
        "mem0", "graphiti", "cortexgraph",
    }  # fmt: skip
    assert presets().keys() == expected
    text = "\n".join(
        f'[servers.{name}]\ntransport = "http"\nurl = "http://127.0.0.1/mcp"\npreset = "{name}"'
        for name in expected
    )
    servers = load(tmp_path, text).servers
    for name, preset in presets().items():
        assert servers[name].role == preset.role
        assert servers[name].operations.keys() == preset.operations.keys()


def test_the_file_goes_over_the_preset(tmp_path: Path) -> None:
    server = load(
        tmp_path,
        """
        [servers.cortex]
        transport = "stdio"
        command = "cortexgraph"
        preset = "cortexgraph"
        role = "both"
        [servers.cortex.list]
        page_size = 7
        fields = { agent = "meta.agent" }
        [servers.cortex.stats]
        tool = "get_performance_metrics"
        """,
    ).servers["cortex"]
    listing = server.operations["list"]
    assert (listing.page_size, listing.tool) == (7, ("read_graph",))
    assert listing.fields["agent"] == ("meta.agent",)
    assert listing.fields["kind"] == ("tags",)
    assert server.operations["stats"].tool == ("get_performance_metrics",)
    assert server.role == "both"


def test_secrets_come_from_variables_and_are_never_repeated(tmp_path: Path) -> None:
    server = load(
        tmp_path,
        """
        [servers.mem0]
        transport = "http"
        url = "https://mcp.mem0.ai/mcp"
        preset = "mem0"
        headers = { Authorization = "Bearer env:TOKEN", X-Team = "clinic" }
        """,
    ).servers["mem0"]
    assert server.headers["Authorization"].get_secret_value() == f"Bearer {SECRET}"
    assert SECRET not in repr(server)
    said = server.without_secrets(f"401 for {SECRET} and Bearer {SECRET}")
    assert said == "401 for [redacted] and [redacted]"


def test_a_key_within_an_address_is_never_repeated(tmp_path: Path) -> None:
    server = load(
        tmp_path,
        """
        [servers.mine]
        transport = "http"
        url = "https://me:pass-word@host/s/0123456789abcdefghij/mcp?key=query-key"
        preset = "mem0"
        """,
    ).servers["mine"]
    said = server.without_secrets("mcp refused pass-word, query-key and 0123456789abcdefghij")
    assert said == "mcp refused [redacted], [redacted] and [redacted]"


def test_what_is_no_secret_stays_readable(tmp_path: Path) -> None:
    server = load(
        tmp_path,
        """
        [servers.graph]
        transport = "stdio"
        command = "node"
        preset = "server-memory"
        env = { MEMORY_FILE_PATH = "/data/graph.jsonl", SOME_API_KEY = "written-down" }
        """,
    ).servers["graph"]
    said = server.without_secrets("no /data/graph.jsonl for written-down")
    assert said == "no /data/graph.jsonl for [redacted]"
    assert server.environment["SOME_API_KEY"] == "written-down"


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ('transport = "carrier pigeon"', "line 3: servers.x.transport is wrong: input should be"),
        ('transport = "stdio"', "line 2: servers.x is wrong: transport = 'stdio' needs command"),
        ('transport = "http"', "line 2: servers.x is wrong: transport = 'http' needs url"),
        (
            'transport = "http"\nurl = "mcp.example"',
            "line 4: servers.x.url is wrong: it must begin",
        ),
        (
            'transport = "stdio"\ncommand = "npx -y server"',
            "line 4: servers.x.command is wrong: it names one program",
        ),
        (
            'transport = "stdio"\ncommand = "npx"\nargs = "-y server"',
            "line 5: servers.x.args is wrong: input should be a valid tuple",
        ),
        (
            'transport = "stdio"\ncommand = "a"\nurl = "http://a/mcp"',
            "line 2: servers.x is wrong: transport = 'stdio' has no url",
        ),
        (
            'transport = "stdio"\ncommand = "a"\nenv = { KEY = "env:NOT_THERE" }',
            "line 5: servers.x.env.KEY names the environment variable NOT_THERE, which is not set",
        ),
        (
            'COMMAND\nsearch = { tool = "find" }',
            "line 6: servers.x.search.arguments must say where {query} goes",
        ),
        (
            'COMMAND\n[servers.x.list]\ntool = "l"\narguments = { n = "{lmit}" }',
            "line 8: servers.x.list.arguments has {lmit}; what can stand there: {agent}, {as_of}",
        ),
        (
            'COMMAND\n[servers.x.list]\ntool = "l"\npaging = "cursor"',
            "paging = 'cursor' needs {cursor} somewhere in arguments",
        ),
        (
            'COMMAND\n[servers.x.list]\ntool = "l"\nerrors = ["("]',
            "line 8: servers.x.list.errors is wrong: not a regular expression",
        ),
        (
            'COMMAND\n[servers.x.list]\ntool = "l"\narguments = { n = "{tier" }',
            "a brace is not closed",
        ),
        (
            'COMMAND\n[servers.x.list]\ntool = "l"\ntol = "l"',
            "line 8: servers.x.list.tol is not known here",
        ),
        ('transport = "stdio"\ncommand = "a"\nconcurrency = 0', "line 5: servers.x.concurrency"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, table: str, says: str) -> None:
    table = table.replace("COMMAND", 'transport = "stdio"\ncommand = "a"\nrole = "both"')
    preset = "" if "role" in table else '\npreset = "mem0"'
    wrong = problems(tmp_path, f"\n[servers.x]\n{table}{preset}")
    assert [says in each for each in wrong] == [True], wrong


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    wrong = problems(
        tmp_path,
        'colour = "red"\n[servers.a]\ntransport = "http"\npreset = "mem1"\n'
        '[servers.b]\ntransport = "embedded"',
    )
    assert [each.split(" ")[0:3] for each in wrong] == [
        ["line", "1:", "colour"],
        ["line", "4:", "servers.a.preset"],
        ["line", "2:", "servers.a"],
        ["line", "5:", "servers.b"],
        ["line", "5:", "servers.b.role"],
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[servers.a\n", "not TOML"),
        (b"\xff\xfe", "not UTF-8"),
        (b"#" * (2 << 20), "larger than"),
        (b"servers = 3", "must be tables"),
        (b"servers.a = 3", "must be a table"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "memory.toml"
    file.write_bytes(content)
    with pytest.raises(MemoryConfigurationError, match=says):
        load_configuration(file)


def test_placeholders_are_found_at_any_depth() -> None:
    operation = Operation.model_validate(
        {"tool": "t", "arguments": {"a": [{"b": "{query} or {tier}"}], "c": "{{literal}}", "d": 3}}
    )
    assert operation.asks_for == {"query", "tier"}


@pytest.mark.parametrize(
    ("location", "line"),
    [
        (("servers", "a b", "list", "tool"), 3),
        (("servers", "a b", "list", "paging"), 2),
        (("servers", "c", "env", "X"), 5),
        (("servers", "c", "role"), 4),
        (("nothing",), None),
    ],
)
def test_the_line_of_a_name(location: tuple[str, ...], line: int | None) -> None:
    text = '# a comment\n[servers."a b".list]  # here\ntool = "x"\n[servers.c]\nenv.X = "1"\n'
    assert line_of(text, location) == line


def test_a_variable_may_stand_in_the_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("MEMORY_TOKEN=from-the-file\n")
    assert variable("MEMORY_TOKEN") == "from-the-file"
    monkeypatch.setenv("MEMORY_TOKEN", "from-the-environment")
    assert variable("MEMORY_TOKEN") == "from-the-environment"
    assert variable("NOT_THERE_AT_ALL") is None
