"""What each accelerator buys, and all of them together."""

import asyncio
from statistics import median

from benchmarks import server
from benchmarks.clients import aiohttp_client, client
from benchmarks.extras import having
from benchmarks.findings import Finding, Plot, Table, compared
from benchmarks.measuring import interleaved
from benchmarks.samples import CONTENT, SECRET_KEY, mobiles, report_page
from emay_voice_async import AsyncEmayVoice, Notice
from emay_voice_async.push import decode_push
from emay_voice_async.wire.compression import compress
from emay_voice_async.wire.encryption import encrypt

__all__ = ["measure"]

NONE = "nothing"
NUMBERS = 500
REPORTS = 1000
_EXTRAS = {NONE: (), "msgspec": ("msgspec",), "sniffio": ("sniffio",), "both": ("msgspec", "sniffio")}
_AIOHTTP = "both, and an httpx-aiohttp client"


async def _measure(url: str, *, quick: bool) -> dict[str, dict[str, list[float]]]:
    each, rounds = (1, 3) if quick else (10, 31)
    numbers, notice = mobiles(NUMBERS), Notice(CONTENT)
    pushed = encrypt(compress(report_page(REPORTS)), SECRET_KEY)
    server.refill(url, 10**12)
    async with aiohttp_client() as shared, client(url) as plain, client(url, shared) as quick_voice:

        async def send(voice: AsyncEmayVoice) -> None:
            for _ in range(each):
                await voice.send(notice, numbers)

        async def take(voice: AsyncEmayVoice) -> None:
            for _ in range(each):
                await voice.take_reports(REPORTS)

        def push() -> None:
            for _ in range(each):
                decode_push(pushed, SECRET_KEY)

        sends = {name: having(lambda: send(plain), *extra) for name, extra in _EXTRAS.items()}
        takes = {name: having(lambda: take(plain), *extra) for name, extra in _EXTRAS.items()}
        pushes = {name: having(push, *_EXTRAS[name]) for name in (NONE, "msgspec")}
        sends[_AIOHTTP] = having(lambda: send(quick_voice), "msgspec", "sniffio")
        takes[_AIOHTTP] = having(lambda: take(quick_voice), "msgspec", "sniffio")
        return {
            "a send of 500 numbers": await interleaved(sends, rounds=rounds, each=each),
            "1,000 reports taken": await interleaved(takes, rounds=rounds, each=each),
            "a push of 1,000 reports": await interleaved(pushes, rounds=rounds, each=each),
        }


def measure(*, quick: bool = False) -> Finding:
    """Measure, and return what was found."""
    with server.running() as url:
        samples = asyncio.run(_measure(url, quick=quick))
    names = [*_EXTRAS, _AIOHTTP]
    cells = {what: {row[0]: row[1:] for row in compared(found, [NONE])[0]} for what, found in samples.items()}
    return Finding(
        name="fast",
        title="What does the extra fast buy?",
        meaning="Install emay_voice_async[fast] where reports and pushes matter: they take half the CPU.",
        text=(
            "CPU time of the SDK with what ``emay_voice_async[fast]`` installs, and with an httpx-aiohttp client"
            " passed in, and its ratio to the plain installation. They are switched on and off"
            " within one process (a stand-in for sniffio). msgspec reads the JSON; sniffio is looked for by"
            " httpcore at every request, and if it is missing the whole import path is searched each time."
        ),
        tables=[
            Table(
                ("installed", *(head for what in cells for head in (what, "ratio"))),
                [
                    (name, *(cell for what in cells.values() for cell in what.get(name, ("", ""))))
                    for name in names
                ],
            )
        ],
        plots=[
            Plot(
                f"CPU of {what}",
                "us",
                {"": [1e6 * median(one) for one in found.values()]},
                [f"this client, {name}" for name in found],
            )
            for what, found in samples.items()
        ],
    )
