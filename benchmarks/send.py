"""The cost of one send of 500 numbers with typed tickets, against the loop by hand."""

import asyncio
from collections.abc import Awaitable, Callable

from benchmarks import by_hand, server
from benchmarks.clients import aiohttp_client, client, httpx_client
from benchmarks.extras import FAST, having
from benchmarks.findings import Finding, Plot, Reach, compared
from benchmarks.measuring import interleaved
from benchmarks.samples import CONTENT, mobiles
from emay_voice_async import Notice

__all__ = ["measure"]

HAND = "httpx by hand"
HAND_AIOHTTP = "httpx by hand, httpx-aiohttp"
OURS = "this client"
OURS_FAST = "this client [fast]"
OURS_AIOHTTP = "this client, httpx-aiohttp"
OURS_ALL = "this client [fast], httpx-aiohttp"
NUMBERS = 500
_TRIED = (
    (
        "By hand, urlencode takes a third of the time, because it examines each character. This client joins the lists"
        " in a seventh of that time, and uses the difference for checks, ids, tickets, and the tasks that keep a"
        " response from being lost."
    ),
    (
        "Done: objects are frozen after they are filled (half the price of a ticket or a recipient); plain numbers are"
        " checked together (a third of the price) and become recipients together (a half); tickets are matched in"
        " whole lists; with msgspec an entry of a response becomes no dict; a list of one batch is read without a"
        " task; an event replaces a future with two waiters; counters change in place (a third of the time outside"
        " the request and the numbers)."
    ),
    (
        "The rest is the request, over half of the time on the transport of httpx and two fifths with httpx-aiohttp"
        " (a third of that in the kernel), and the price of 1,000 objects in Python. A loop by hand over"
        " httpx-aiohttp does not reach 0.55 either."
    ),
    (
        "Tried and left: a ready httpx.URL and Headers for each request (1.5 %); a cheaper trace callback (httpcore"
        " insists on a coroutine); httpx's transport without its client, where the client is our own (4 %, and no"
        " proxies from the environment); numbers joined without quoting (1 %); objects filled through their slots"
        " (slower than by their constructor)."
    ),
)


async def _measure(url: str, *, quick: bool) -> Finding:
    each = 2 if quick else 20
    numbers = mobiles(NUMBERS)
    custom_ids = [f"8f0c2d9ab41e77d05c13-{place}" for place in range(NUMBERS)]
    notice = Notice(CONTENT)
    async with (
        httpx_client() as plain,
        aiohttp_client() as plain_aiohttp,
        aiohttp_client() as shared,
        client(url) as voice,
        client(url, shared) as voice_aiohttp,
    ):

        def repeated(send: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[None]]:
            async def run() -> None:
                for _ in range(each):
                    await send()

            return run

        contestants = {
            HAND: repeated(lambda: by_hand.send(plain, url, numbers, custom_ids)),
            OURS: having(repeated(lambda: voice.send(notice, numbers))),
            OURS_FAST: having(repeated(lambda: voice.send(notice, numbers)), *FAST),
            HAND_AIOHTTP: repeated(lambda: by_hand.send(plain_aiohttp, url, numbers, custom_ids)),
            OURS_AIOHTTP: having(repeated(lambda: voice_aiohttp.send(notice, numbers))),
            OURS_ALL: having(repeated(lambda: voice_aiohttp.send(notice, numbers)), *FAST),
        }
        rounds = 3 if quick else 31
        before = server.busy_seconds(url)
        samples = await interleaved(contestants, rounds=rounds, each=each)
        busy = (server.busy_seconds(url) - before) / each / len(contestants) / (rounds + 1)
    rows, ratios = compared(samples, [HAND, HAND_AIOHTTP])
    return Finding(
        name="send",
        title="One send of 500 numbers",
        text=(
            "CPU time of the client's process for one send of 500 numbers over loopback, one send after the"
            " other. By hand: ``client.post(data=...)`` with prepared numbers and custom ids, ``response.json()``, a"
            " check of the result code; no new ids, no checks, no types, no pacing. This client checks the numbers,"
            " makes the ids, paces, and returns a typed ticket for each number."
        ),
        header=("client", "CPU", "/ by hand", "/ by hand on httpx-aiohttp"),
        rows=rows,
        reaches=[
            Reach("the SDK / by hand", 0.85, ratios[OURS, HAND].middle),
            Reach("the SDK with its extra ``fast`` / by hand", 0.85, ratios[OURS_FAST, HAND].middle),
            Reach(
                "the SDK with an httpx-aiohttp client / httpx by hand",
                0.55,
                ratios[OURS_AIOHTTP, HAND].middle,
            ),
            Reach("the same with the extra ``fast``", 0.55, ratios[OURS_ALL, HAND].middle),
        ],
        plots=[
            Plot(
                "CPU of one send of 500 numbers",
                "us",
                {"": [1e6 * sorted(found)[len(found) // 2] for found in samples.values()]},
                list(samples),
            )
        ],
        notes=[
            *_TRIED,
            f"The local server, in another process, used {1e6 * busy:.0f} us of CPU for each send.",
        ],
    )


def measure(*, quick: bool = False) -> Finding:
    """Measure; return the table, the goals and the plots."""
    with server.running() as url:
        return asyncio.run(_measure(url, quick=quick))
