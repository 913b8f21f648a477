"""The OpenAPI document."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from emay_voice_async.sandbox.control.app import DESCRIBED
from sandbox.control.asking import ask, still

DOCUMENT = ask(still().app, "GET", "openapi.json").json()


@pytest.mark.slow
def test_it_is_valid(tmp_path: Path) -> None:
    """The document is OpenAPI 3.1, and names every operation once."""
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(DOCUMENT), "utf-8")
    # In a process of its own: its reader of YAML fails in a process whose coverage is measured.
    subprocess.run([sys.executable, "-m", "openapi_spec_validator", "--schema", "3.1", str(path)], check=True)
    operations = [one["operationId"] for path in DOCUMENT["paths"].values() for one in path.values()]
    assert sorted(operations) == sorted(DESCRIBED)
    assert all(one["summary"].endswith(".") for path in DOCUMENT["paths"].values() for one in path.values())


def test_it_names_the_paths() -> None:
    """The paths are those of the guide."""
    assert {re.sub("^/_sandbox", "", path) for path in DOCUMENT["paths"]} == {
        "/state",
        "/events",
        "/meanings",
        "/calls/{message_id}",
        "/requests/{place}",
        "/faults",
        "/push",
        "/account",
        "/settings",
        "/reset",
        "/record",
    }
