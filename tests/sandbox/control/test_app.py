"""Access, routing, errors and headers of the control API."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Message

from emay_voice_async.sandbox.control.app import SAFE_HEADERS
from sandbox.control.asking import JSON, ask, error, still


class TestAccess:
    """Which requests are answered."""

    @pytest.mark.parametrize(
        "host", ["127.0.0.1", "127.0.0.1:8900", "localhost", "LOCALHOST:1", "[::1]:8900", "10.0.0.7", "emay"]
    )
    def test_allowed_hosts(self, host: str) -> None:
        """IP addresses, localhost and the allowed names may be asked."""
        assert ask(still(allowed_hosts=["Emay"]).app, "GET", "state", headers={"host": host}).is_success

    @pytest.mark.parametrize(
        "host", ["evil.example", "localhost.evil.example", "", "[::1", "127.0.0.1.nip.io"]
    )
    def test_other_hosts(self, host: str) -> None:
        """A foreign name gets 403, with and without a list of allowed hosts: DNS rebinding shows nothing."""
        for local in (still(), still(allowed_hosts=["emay"])):
            response = ask(local.app, "GET", "state", headers={"host": host})
            assert error(response)[:2] == (403, "Host")
            assert local.received == []

    @pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
    def test_other_origins(self, origin: str) -> None:
        """A page of another origin, or of another port, changes nothing."""
        local = still()
        headers = {**JSON, "origin": origin}
        assert error(ask(local.app, "PATCH", "account", json={"balance": 1}, headers=headers))[0] == 403
        assert local.balance == 10000

    def test_its_own_page(self) -> None:
        """The page of the service may change it."""
        headers = {**JSON, "origin": "http://127.0.0.1", "sec-fetch-site": "same-origin"}
        assert ask(still().app, "PATCH", "account", json={"balance": 1}, headers=headers).is_success

    @pytest.mark.parametrize("site", ["cross-site", "same-site"])
    def test_other_sites(self, site: str) -> None:
        """A request that the browser calls foreign changes nothing; a link to the page opens it."""
        local = still()
        headers = {"sec-fetch-site": site}
        assert error(ask(local.app, "DELETE", "faults", headers=headers))[:2] == (403, "Sec-Fetch-Site")
        assert ask(local.app, "GET", "", headers=headers).is_success

    @pytest.mark.parametrize(
        "content_type",
        ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""],
    )
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", "reset"),
            ("POST", "faults"),
            ("POST", "push"),
            ("POST", "calls/20180427000000000001"),
            ("PATCH", "account"),
            ("PATCH", "settings"),
        ],
    )
    def test_forms(self, method: str, path: str, content_type: str) -> None:
        """What a form of another page can send is refused: state is changed by JSON only."""
        headers = {"content-type": content_type} if content_type else {}
        response = ask(still().app, method, path, content=b"{}", headers=headers)
        assert error(response)[:2] == (415, "Content-Type")


class TestRouting:
    """Paths and methods."""

    def test_unknown_paths(self) -> None:
        """An unknown path gets 404 as JSON."""
        assert error(ask(still().app, "GET", "nothing"))[:2] == (404, "path")

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [("PUT", "faults", "DELETE, POST"), ("POST", "state", "GET, HEAD"), ("DELETE", "account", "PATCH")],
    )
    def test_wrong_methods(self, method: str, path: str, allowed: str) -> None:
        """A wrong method gets 405, and the methods of the path."""
        response = ask(still().app, method, path)
        assert error(response)[:2] == (405, "method")
        assert response.headers["allow"] == allowed

    def test_the_page(self) -> None:
        """The page and its files are served, and nothing else of the package."""
        local = still()
        page = ask(local.app, "GET", "")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert ask(local.app, "GET", "page/index.html").content == page.content
        for name in ("__init__.py", "..%2fapp.py", "nothing.js"):
            assert ask(local.app, "GET", f"page/{name}").status_code == 404

    @pytest.mark.parametrize("mounted", ["", "/emay"])
    def test_the_page_without_a_slash(self, mounted: str) -> None:
        """Without its slash the page is found, also when the service is mounted in another application."""
        local = still()
        app = Starlette(routes=[Mount("/emay", local.app)]) if mounted else local.app

        async def main() -> httpx.Response:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                response = await client.get(f"{mounted}/_sandbox")
                assert response.headers["location"] == f"{mounted}/_sandbox/"
                return await client.get(response.headers["location"])

        assert asyncio.run(main()).is_success

    def test_it_is_not_recorded(self) -> None:
        """Requests to the control API are not among the requests that arrived."""
        local = still()
        ask(local.app, "GET", "state")
        assert (local.received, local.app.arrived) == ([], 0)

    @pytest.mark.parametrize("path", ["", "state", "nothing", "openapi.json"])
    def test_headers(self, path: str) -> None:
        """Every response forbids scripts from outside and inside the document, frames, and other types."""
        headers = ask(still().app, "GET", path).headers
        assert {name: headers[name] for name in SAFE_HEADERS} == SAFE_HEADERS
        assert "unsafe" not in headers["content-security-policy"]

    def test_a_client_that_is_gone(self) -> None:
        """A client that disconnects before its body is complete changes nothing."""
        local, sent = still(), list[Message]()

        async def main() -> None:
            async def receive() -> Message:
                return {"type": "http.disconnect"}

            async def send(message: Message) -> None:
                sent.append(message)

            headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
            scope = {"type": "http", "method": "POST", "path": "/_sandbox/reset", "headers": headers}
            await local.app({**scope, "query_string": b"", "client": None}, receive, send)

        asyncio.run(main())
        assert sent == []
