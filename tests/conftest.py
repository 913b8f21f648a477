"""Settings of all tests, and the service that examples find in their environment."""

from collections.abc import Iterator

import httpx
import pytest
from hypothesis import settings
from support.json_readers import READERS, reading_with

from emay_voice_async.sandbox import Sandbox

# A busy machine is no reason to fail; how fast things are is measured elsewhere.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Let whatever an example posts to http://emay.example reach a local service in process."""
    sandbox = Sandbox()
    monkeypatch.setenv("EMAY_VOICE_BASE_URL", "http://emay.example")
    monkeypatch.setenv("EMAY_VOICE_APP_ID", sandbox.app_id)
    monkeypatch.setenv("EMAY_VOICE_SECRET_KEY", sandbox.secret_key)
    over_network = httpx.AsyncHTTPTransport.handle_async_request

    async def route(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        if request.url.host == "emay.example":
            return await httpx.ASGITransport(sandbox.app).handle_async_request(request)
        return await over_network(self, request)

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", route)
    yield sandbox
    assert sandbox.over_speed == 0


@pytest.fixture(scope="module", params=READERS)
def json_reader(request: pytest.FixtureRequest) -> Iterator[str]:
    """Have JSON read by each of the readers that are here: what comes of it must be the same."""
    with reading_with(request.param):
        yield request.param
