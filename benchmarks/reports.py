"""What draining 100,000 reports costs, against a loop by hand that takes dicts."""

import asyncio

from benchmarks import by_hand, server
from benchmarks.clients import aiohttp_client, client, httpx_client
from benchmarks.extras import FAST, having
from benchmarks.findings import Finding, Plot, Reach, compared
from benchmarks.measuring import interleaved
from emay_voice_async import AsyncEmayVoice

__all__ = ["measure"]

HAND = "httpx by hand, dicts"
OURS = "emay_voice_async"
OURS_FAST = "emay_voice_async[fast]"
OURS_AIOHTTP = "emay_voice_async[fast], httpx-aiohttp"


async def _measure(url: str, *, quick: bool) -> Finding:
    number = 5_000 if quick else 100_000
    async with (
        httpx_client() as plain,
        aiohttp_client() as shared,
        client(url) as voice,
        client(url, shared) as voice_aiohttp,
    ):

        async def hand() -> None:
            server.refill(url, number)
            count = 0
            while page := await by_hand.ask_reports(plain, url):
                for report in page:
                    count += report["state"] == "SUCCESS"

        async def ours(one: AsyncEmayVoice) -> None:
            server.refill(url, number)
            count = 0
            async for report in one.reports():
                count += report.succeeded

        contestants = {
            HAND: hand,
            OURS: having(lambda: ours(voice)),
            OURS_FAST: having(lambda: ours(voice), *FAST),
            OURS_AIOHTTP: having(lambda: ours(voice_aiohttp), *FAST),
        }
        samples = await interleaved(contestants, rounds=3 if quick else 9, each=number)
    rows, ratios = compared(samples, [HAND])
    return Finding(
        name="reports",
        title=f"Draining {number:,} reports",
        text=(
            f"CPU time of the client's process for one report, when {number:,} are there to be taken, 1,000 with"
            " each request. By hand: ``client.post``, ``response.json()``, a loop over the dicts. The SDK gives"
            " typed reports, one by one, and loses none when its user leaves the loop."
        ),
        header=("client", "CPU of one report", "/ by hand"),
        rows=rows,
        reaches=[
            Reach("the SDK / by hand", 1.25, ratios[OURS, HAND].middle),
            Reach("the SDK with its extra ``fast`` / by hand", 1.25, ratios[OURS_FAST, HAND].middle),
        ],
        plots=[
            Plot(
                "CPU of one report drained",
                "us",
                {"": [1e6 * sorted(found)[len(found) // 2] for found in samples.values()]},
                list(samples),
            )
        ],
        notes=list(_TRIED),
    )


_TRIED = (
    (
        "By hand a report stays the dict that json.loads made; the SDK makes a typed object of it, puts it where it"
        " is safe when its reader is cancelled, and hands it out one by one."
    ),
    "Done: no index by ids in the mailbox unless somebody searches among the reports that are kept.",
    (
        "Done: what came in one answer stays together until it is handed out, so that no report has an object of its"
        " own in the mailbox. What comes after reading an answer takes a fifth of the time, the whole a sixth less."
    ),
    (
        "Done: the reports of an answer made together, as those of a push are. Without msgspec, json.loads is half of"
        " what is left, and what Python needs for an object with twelve fields a fifth."
    ),
)


def measure(*, quick: bool = False) -> Finding:
    """Measure, and return what was found."""
    with server.running() as url:
        return asyncio.run(_measure(url, quick=quick))
