"""The Lua scripts."""

import hashlib

import pytest

from emay_voice_async.redis.scripts import CLAIM, SETTLE, SYNC, Script


@pytest.mark.parametrize("script", [CLAIM, SETTLE, SYNC])
def test_the_hash_is_that_of_the_text(script: Script) -> None:
    """The server finds a script by the SHA-1 of the text that it was sent."""
    assert script.sha == hashlib.sha1(script.text.encode(), usedforsecurity=False).hexdigest()
    assert script.text.startswith("-- ")
    assert script.text.isascii()
