"""The mappings of known memory servers that come with the product, by name."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from mission_control.integrations.memory.config.operations import Preset


@cache
def presets() -> Mapping[str, Preset]:
    """The mappings that we ship, by name."""
    folder = files("mission_control.integrations.memory.config") / "presets"
    return {
        file.name.removesuffix(".toml"): Preset.model_validate(
            tomllib.loads(file.read_text("utf-8"))
        )
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    }
