"""The page of a campaign over HTTP."""

import asyncio
from typing import get_args

import httpx
import pytest

from emay_voice_async.cli.watch.app import WatchApp
from emay_voice_async.cli.watch.view import Watched
from emay_voice_async.cli.watch.watcher import Watcher
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.model.messages import Message
from emay_voice_async.sandbox.control.app import SAFE_HEADERS


def ask(
    path: str, *, method: str = "GET", token: str | None = None, headers: dict[str, str] | None = None
) -> httpx.Response:
    """Send a request to a page whose journal was not read yet."""
    watcher = Watcher(SqliteJournal("nothing.db"))
    app = WatchApp(watcher, Watched(name="run.db"), allowed_hosts=["Localhost"], token=token)

    async def main() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/page/watch.js", "text/javascript; charset=utf-8"),
        ("/page/dom.js", "text/javascript; charset=utf-8"),
        ("/page/page.css", "text/css; charset=utf-8"),
    ],
)
def test_files(path: str, content_type: str) -> None:
    """The page and the files that it shares with the page of the local service are served."""
    assert ask(path).headers["content-type"] == content_type


def test_the_page_has_every_kind_of_message_in_both_languages() -> None:
    """The page has a word for each class of message, in English and in Chinese."""
    english, chinese = ask("/page/watch.js").text.split("\n  zh: {")
    for kind in get_args(Message):
        assert f" {kind.__name__}: " in english
        assert f" {kind.__name__}: " in chinese


@pytest.mark.parametrize("path", ["/nothing", "/page/app.py", "/page/app.js", "/page/../app.py"])
def test_other_paths(path: str) -> None:
    """There is nothing else."""
    assert ask(path).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_read_only(method: str) -> None:
    """No request changes anything."""
    response = ask("/data", method=method)
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


def test_data() -> None:
    """Without a token the data is for every client of this machine."""
    assert ask("/data").json()["name"] == "run.db"


@pytest.mark.parametrize("given", [None, "Bearer ", "Bearer wrong", "token", "Bearer s\u00e9cret"])
def test_a_wrong_token(given: str | None) -> None:
    """With a token, the data needs it; the files do not."""
    headers = {} if given is None else {"authorization": given.encode("latin-1")}
    assert ask("/data", token="secret", headers=headers).status_code == 401  # type: ignore[arg-type]
    assert ask("/", token="secret").status_code == 200


def test_the_right_token() -> None:
    """The token opens the data."""
    assert ask("/data", token="secret", headers={"authorization": "Bearer secret"}).is_success


@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"origin": "http://evil.example"}])
def test_other_hosts(headers: dict[str, str]) -> None:
    """A foreign host name, and a foreign page, get 403."""
    assert ask("/data", headers=headers).status_code == 403


@pytest.mark.parametrize("path", ["/", "/data", "/nothing"])
def test_headers(path: str) -> None:
    """Every response has the strict headers."""
    headers = ask(path).headers
    assert {name: headers[name] for name in SAFE_HEADERS} == SAFE_HEADERS
