"""The readings of the control API."""

import asyncio
import json
from decimal import Decimal

import httpx
import pytest

from emay_voice_async import AsyncEmayVoice, Notice
from emay_voice_async.sandbox import Account, Fault, Sandbox
from emay_voice_async.sandbox.control.events import MAX_STREAMS
from sandbox.by_hand import KEY
from sandbox.control.asking import ask, call, error, still


class TestState:
    """``GET state`` and the single records."""

    def test_whole(self) -> None:
        """The state has accounts, counts, windows, faults, settings, calls and requests."""
        local = still(report_delay=3, accounts=(Account(app_id="B", secret_key=KEY),), show_numbers=False)
        local.fail_next(Fault.reset(), on="/voice/send", times=None, skip=1)
        call(local, "13800000001,13800000002")
        state = ask(local.app, "GET", "state").json()
        assert [one["app_id"] for one in state["accounts"]] == [local.app_id, "B"]
        assert (state["show_numbers"], state["settings"]["report_delay"]) == (False, 3)
        assert [one["mobile"] for one in state["calls"]] == ["13800000002", "13800000001"]
        assert (state["requests"][0]["code"], state["requests"][0]["fields"]["mobiles"]) == (
            "SUCCESS",
            "13800000001,13800000002",
        )
        assert state["counts"]["reports_waiting"] == 2
        assert state["faults"] == [
            {
                "name": "reset",
                "acts": False,
                "before": 0.0,
                "after": 0.0,
                "on": "/voice/send",
                "skip": 1,
                "times": None,
                "seen": 1,
            }
        ]

    def test_pages(self) -> None:
        """The state is paged; the next page begins where the last ended."""
        local = still()
        call(local, ",".join(f"1380000000{number}" for number in range(5)))
        first = ask(local.app, "GET", "state?limit=3").json()
        assert ([one["place"] for one in first["calls"]], first["calls_before"]) == ([5, 4, 3], 3)
        second = ask(local.app, "GET", f"state?limit=3&calls_before={first['calls_before']}").json()
        assert ([one["place"] for one in second["calls"]], second["calls_before"]) == ([2, 1], None)
        assert ask(local.app, "GET", "state?requests_before=1").json()["requests"] == []

    @pytest.mark.parametrize(
        "query", ["limit=0", "limit=501", "limit=x", "calls_before=-1", "requests_before=1e9"]
    )
    def test_bad_pages(self, query: str) -> None:
        """A page that cannot be is refused."""
        assert error(ask(still().app, "GET", f"state?{query}"))[:2] == (422, query.partition("=")[0])

    def test_single_records(self) -> None:
        """A call and a request can be read whole."""
        local = still(keep=1)
        first, second = call(local, "13800000001,13900000010")
        assert ask(local.app, "GET", f"calls/{second}").json()["outcome"]["recording"]
        assert error(ask(local.app, "GET", f"calls/{first}"))[:2] == (404, "message_id")
        call(local)
        assert ask(local.app, "GET", "requests/2").json()["path"] == "/voice/send"
        for place in ("1", "3", "0", "x", "²", "9" * 30):
            assert error(ask(local.app, "GET", f"requests/{place}"))[:2] == (404, "place")

    def test_meanings(self) -> None:
        """The meanings are served for the page."""
        assert ask(still().app, "GET", "meanings").json()["states"]["TIMEOUT"]["zh"] == "状态报告超时"


class TestRecord:
    """``GET record``."""

    def test_lines(self) -> None:
        """Everything is recorded as JSON lines, whole."""
        local = still(balance=Decimal(1000))
        call(local, ",".join(f"138{number:08}" for number in range(450)))
        response = ask(local.app, "GET", "record")
        assert response.headers["content-type"].startswith("application/x-ndjson")
        lines = [json.loads(line) for line in response.text.splitlines()]
        assert [line["type"] for line in lines] == ["account", "request", *["call"] * 450]
        assert [line["place"] for line in lines[2:]] == list(range(1, 451))
        assert len(lines[1]["fields"]["mobiles"].split(",")) == 450


class TestEvents:
    """``GET events``."""

    def test_a_stream(self) -> None:
        """A client sees a call as it is made, and its place among the streams is freed when it goes."""

        async def main() -> None:
            local = Sandbox()
            async with (
                local.serve() as url,
                AsyncEmayVoice(url, app_id=local.app_id, secret_key=local.secret_key) as voice,
                httpx.AsyncClient(base_url=url, trust_env=False) as http,
            ):
                for _ in range(2):
                    async with http.stream("GET", "/_sandbox/events") as stream:
                        assert stream.headers["content-type"].startswith("text/event-stream")
                        lines = stream.aiter_lines()
                        await _data(lines)
                        await voice.send(Notice("hello"), "13800001234")
                        while not (event := await _data(lines))["calls"]:
                            pass
                        assert event["calls"][0]["content"] == "hello"

        asyncio.run(main())

    def test_too_many_streams(self) -> None:
        """The number of streams is bounded, and a stream that ended makes room."""

        async def main() -> None:
            local = Sandbox()
            async with local.serve() as url:
                limits = httpx.Limits(max_connections=None)
                async with httpx.AsyncClient(base_url=url, trust_env=False, limits=limits) as http:
                    request = http.build_request("GET", "/_sandbox/events")
                    streams = [await http.send(request, stream=True) for _ in range(MAX_STREAMS)]
                    assert {one.status_code for one in streams} == {200}
                    assert (await http.send(request, stream=True)).status_code == 503
                    await streams.pop().aclose()
                    while (await http.send(request, stream=True)).status_code == 503:
                        pass

        asyncio.run(main())

    def test_head(self) -> None:
        """HEAD gets the headers, and no stream."""
        assert ask(still().app, "HEAD", "events").headers["content-type"].startswith("text/event-stream")


async def _data(lines: object) -> dict[str, list[dict[str, object]]]:
    async for line in lines:  # type: ignore[attr-defined]
        if line.startswith("data: "):
            found: dict[str, list[dict[str, object]]] = json.loads(line.removeprefix("data: "))
            return found
    raise AssertionError("the stream ended")
