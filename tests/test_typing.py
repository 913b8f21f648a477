"""The typing file uses the whole public API."""

import importlib
import re
from pathlib import Path

import pytest

API = Path(__file__).parent / "typing" / "api.py"
FACES = (
    "",
    ".errors",
    ".journal",
    ".lists",
    ".pacing",
    ".push",
    ".receiver",
    ".redis",
    ".sandbox",
    ".sql",
    ".testing",
)


@pytest.mark.parametrize("face", FACES)
def test_every_public_name_is_used(face: str) -> None:
    """Each public name of the package and of each public subpackage appears in the typing file."""
    used = set(re.findall(r"\w+", API.read_text("utf-8")))
    assert set(importlib.import_module(f"emay_voice_async{face}").__all__) - used == set()
