"""The pytest plugin: the fixtures ``emay_sandbox`` and ``emay_voice``.

pytest imports this module at the start of every run in an environment with this package. So it imports nothing but
pytest, and the rest at the first use of a fixture.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from emay_voice_async.client import AsyncEmayVoice
    from emay_voice_async.sandbox import Sandbox

__all__ = ["emay_sandbox", "emay_sandbox_options", "emay_voice", "emay_voice_options"]


@pytest.fixture
def emay_sandbox_options() -> dict[str, Any]:
    """Arguments of the :class:`~emay_voice_async.sandbox.Sandbox`; override this fixture to change them."""
    return {}


@pytest.fixture
def emay_sandbox(emay_sandbox_options: dict[str, Any]) -> "Iterator[Sandbox]":
    """Serve a new local Emay service on a loopback port, and set the EMAY_VOICE_* variables of the environment.

    The service runs in a thread of its own, for synchronous tests, tests of any plugin for asyncio, and processes
    that a test starts. ``AsyncEmayVoice.from_env()`` is a client of it.
    """
    from emay_voice_async.testing.serving import served_sandbox  # noqa: PLC0415 - at the first use

    with served_sandbox(emay_sandbox_options) as (sandbox, variables), pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield sandbox


@pytest.fixture
def emay_voice_options() -> dict[str, Any]:
    """Arguments of the :class:`~emay_voice_async.AsyncEmayVoice`; override this fixture to change them."""
    return {}


@pytest.fixture
def emay_voice(emay_sandbox: "Sandbox", emay_voice_options: dict[str, Any]) -> "AsyncEmayVoice":
    """Return a client of the local service, for one test and its event loop.

    It keeps no connection open, so that it need not be closed. Only a test that leaves a request in flight, such as a
    send that was cancelled, ends with ``await emay_voice.aclose()``.
    """
    from emay_voice_async.testing.serving import client_of_environment  # noqa: PLC0415 - at the first use

    return client_of_environment(emay_voice_options)
