"""The JSON Schema that comes with the program is that of the program."""

from __future__ import annotations

import json
from importlib.resources import files

from worktrial.formats.config import Configuration


def test_the_shipped_schema_is_that_of_the_configuration() -> None:
    """After a change: `make schema`."""
    shipped = json.loads(files("worktrial.formats").joinpath("worktrial.schema.json").read_text("utf-8"))
    assert shipped == Configuration.model_json_schema()
