"""Memory of an idle client, and of 10,000 tickets and reports against dicts."""

import asyncio
import gc
import json
import tracemalloc
from collections.abc import Callable

from benchmarks import server
from benchmarks.clients import client, httpx_client
from benchmarks.findings import Finding, Plot, Table
from benchmarks.samples import CONTENT, mobiles, reports
from emay_voice_async import AsyncEmayVoice, Notice, Product
from emay_voice_async.model.batch_calls import BatchCalls, batch_calls
from emay_voice_async.model.endpoints import VOICE_SEND
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.results import Ticket
from emay_voice_async.reports.mailbox import Mailbox
from emay_voice_async.reports.pages import Page
from emay_voice_async.wire.envelope import HttpResponse
from emay_voice_async.wire.status_reports import structure_reports
from emay_voice_async.wire.tickets import read_message_ids

__all__ = ["measure"]


def _held(make: Callable[[], object]) -> int:
    """Return the bytes that the result of ``make`` holds."""
    gc.collect()
    tracemalloc.start()
    result = make()
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del result
    return held


async def _idle_clients(url: str) -> dict[str, int]:
    """Return the bytes of a new client, of a used client, and of a used httpx client."""
    await _used(url)
    found = {}
    gc.collect()
    tracemalloc.start()
    made = client(url)
    found["a new client"] = tracemalloc.get_traced_memory()[0]
    async with made:
        await made.send(Notice(CONTENT), mobiles(1))
        gc.collect()
        found["a client after a send, idle"] = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del made
    gc.collect()
    tracemalloc.start()
    async with httpx_client() as plain:
        await plain.post(f"{url}/voice/getReport", data={"number": "1"})
        gc.collect()
        found["an httpx.AsyncClient after a post, idle"] = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return found


async def _used(url: str) -> AsyncEmayVoice:
    """Send once, to fill the caches that all clients share."""
    async with client(url) as voice:
        await voice.send(Notice(CONTENT), mobiles(1))
    return voice


def _mailbox(entries: list[dict[str, object]]) -> Mailbox:
    mailbox = Mailbox()
    mailbox.put(Page(Product.VOICE, structure_reports(entries, Product.VOICE)[0]))
    return mailbox


def _tickets(body: bytes, calls: BatchCalls) -> tuple[Ticket, ...]:
    return calls.tickets(read_message_ids(VOICE_SEND, HttpResponse(200, body), calls))


def measure(*, quick: bool = False) -> Finding:
    """Measure; return the table, the goals and the plots."""
    number = 1_000 if quick else 10_000
    calls = batch_calls([Recipient(mobile, f"order-{mobile}") for mobile in mobiles(number)], "")
    tickets = json.dumps(
        {
            "code": "SUCCESS",
            "data": [
                {"mobile": mobile, "voiceId": f"20170392833{mobile}", "customVoiceId": custom_id}
                for mobile, custom_id in zip(calls.mobiles, calls.custom_ids, strict=True)
            ],
        }
    ).encode()
    page = json.dumps(reports(number)).encode()
    with server.running() as url:
        idle = asyncio.run(_idle_clients(url))
    held = {
        "tickets": (
            _held(lambda: _tickets(tickets, calls)),
            _held(lambda: json.loads(tickets)["data"]),
        ),
        "reports": (
            _held(lambda: structure_reports(json.loads(page), Product.VOICE)),
            _held(lambda: json.loads(page)),
        ),
        "reports in the mailbox": (
            _held(lambda: _mailbox(json.loads(page))),
            _held(lambda: json.loads(page)),
        ),
    }
    return Finding(
        name="memory",
        title="How much memory do a client, tickets and reports take?",
        meaning="A typed ticket or report takes less memory than the dict of the same JSON.",
        text=(
            "Bytes that Python holds (tracemalloc): for one idle client, and for each of"
            f" {number:,} tickets and reports, against the dicts of json.loads for the same response."
        ),
        tables=[
            Table(
                ("objects", "this client", "dicts", "ratio"),
                [
                    *((name, f"{size / 1024:.0f} KiB", "", "") for name, size in idle.items()),
                    *(
                        (
                            f"{name}, each",
                            f"{ours / number:.0f} B",
                            f"{dicts / number:.0f} B",
                            f"{ours / dicts:.2f}",
                        )
                        for name, (ours, dicts) in held.items()
                    ),
                ],
            )
        ],
        plots=[
            Plot(
                "Memory of one ticket or report",
                "bytes",
                {
                    "this client": [ours / number for ours, _ in held.values()],
                    "dicts": [dicts / number for _, dicts in held.values()],
                },
                list(held),
            )
        ],
    )
