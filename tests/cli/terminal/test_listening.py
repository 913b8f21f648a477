"""Addresses to listen on."""

import pytest

from emay_voice_async.cli.terminal.exit_codes import CommandError
from emay_voice_async.cli.terminal.listening import address, listening_socket, plain_host


def test_addresses() -> None:
    """An IPv6 address has brackets in a URL, and none for the system."""
    assert address("127.0.0.1", 1) == "127.0.0.1:1"
    assert address("::1", 1) == address("[::1]", 1) == "[::1]:1"
    assert plain_host("[::1]") == plain_host("::1") == "::1"


def test_sockets() -> None:
    """A free port is taken; an address of another machine is an error with the address."""
    with listening_socket("localhost", 0) as opened:
        assert opened.getsockname()[1] > 0
    with pytest.raises(CommandError, match=r"cannot listen on 203\.0\.113\.7:80: "):
        listening_socket("203.0.113.7", 80)
