"""A local service in a thread, and a client of it, for the fixtures of the pytest plugin."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from emay_voice_async.client import AsyncEmayVoice

if TYPE_CHECKING:
    from emay_voice_async.sandbox import Sandbox

__all__ = ["client_of_environment", "served_sandbox"]


@contextmanager
def served_sandbox(options: Mapping[str, Any]) -> "Iterator[tuple[Sandbox, dict[str, str]]]":
    """Serve a new sandbox in a thread with an event loop of its own; yield it with the settings of its clients.

    The settings are variables of the environment. Without the extra ``sandbox`` the test fails with the command that
    installs it.
    """
    try:
        from emay_voice_async.sandbox import Sandbox  # noqa: PLC0415 - an extra
    except ImportError as error:
        pytest.fail(f"the fixture emay_sandbox needs an extra: {error}", pytrace=False)
    sandbox = Sandbox(**options)
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(sandbox.serve()) as url,
    ):
        yield (
            sandbox,
            {
                "EMAY_VOICE_BASE_URL": url,
                "EMAY_VOICE_APP_ID": sandbox.app_id,
                "EMAY_VOICE_SECRET_KEY": sandbox.secret_key,
            },
        )


def client_of_environment(options: Mapping[str, Any]) -> AsyncEmayVoice:
    """Make a client that keeps no connection open, so that it need not be closed in the event loop of a test."""
    limits = httpx.Limits(max_keepalive_connections=0)
    return AsyncEmayVoice.from_env(
        **{"http_client": httpx.AsyncClient(limits=limits, trust_env=False), **options}
    )
