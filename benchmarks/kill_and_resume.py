"""Kill a campaign at random moments, resume it each time, and count the calls of each number.

A local service responds over a socket, with random delays. A worker process sends to all numbers with a journal, is
killed with SIGKILL at a random moment, and is started again, until a worker reaches the end. Then the record of the
service is compared with the journal. Exits with 1 if a number was called twice, heard the words of another number, or
is missing::

    python benchmarks/kill_and_resume.py --numbers 100000 --kills 50
    python benchmarks/kill_and_resume.py --numbers 100000 --kills 20 --texts 40

With ``--texts`` the numbers hear so many different texts of a template, mixed in the list. Numbers with equal texts
share requests: ``requests`` is compared with ``fewest``, the requests of a list that is sorted by text and is
sent without a kill.

With ``--alone`` each worker gets a copy of the journal's file alone, without its side files, as a backup would have it.
A copy that is refused is replaced by a copy with its side files, and counted.
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from attrs import asdict, frozen

from emay_voice_async import AsyncEmayVoice, Notice, RateLimit, RateLimits, Recipient, Template
from emay_voice_async.errors import JournalError
from emay_voice_async.journal.protocol import State
from emay_voice_async.journal.purpose import Purpose
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.model.endpoints import MAX_BATCH, VOICE_SEND
from emay_voice_async.sandbox import Sandbox

MESSAGE = Notice("您的快递已到，请尽快领取。")
TEMPLATE = Template(Notice, "尊敬的{name}，您的快递已到，取件码{code}。")
LIMITS = RateLimits(send=RateLimit(5, 1.0), reports=RateLimit(100, 1.0))
FAST_LIMITS = RateLimits(send=RateLimit(2000, 1.0), reports=RateLimit(100, 1.0))
"""For many different texts, each with a request of its own."""


@frozen
class Result:
    """The final counts of the service and the journal."""

    kills: int
    runs: int
    seconds: float
    requests: int
    fewest: int
    called: int
    twice: int
    wrong: int
    """Numbers that heard the words of another number."""
    unaccounted: int
    accepted: int
    unknown: int
    settled: int
    """Unknown numbers that a report proved to be called."""
    lost: int
    """Unknown numbers that were called, without a report."""
    over_speed: int
    refused: int
    """Copies without side files that were refused."""

    @property
    def is_good(self) -> bool:
        """Whether no number was called twice or is missing."""
        return not (self.twice or self.wrong or self.unaccounted or self.lost)


def numbers(count: int) -> Iterator[str]:
    """Yield ``count`` numbers, without last digits that have a meaning for the local service."""
    return (f"139{place // 9000:04}{1000 + place % 9000}" for place in range(count))


def fields(place: int, texts: int) -> dict[str, str]:
    """Return the fields of the number at a place: so many different texts, in a mixed order."""
    text = place * 7919 % texts
    return {"name": f"客户{text % 977}", "code": f"8-{text}"}


def limits_of(texts: int) -> RateLimits:
    """Return the limits of the service: many texts need many requests."""
    return FAST_LIMITS if texts > MAX_BATCH else LIMITS


async def work(url: str, app_id: str, secret_key: str, path: str, count: int, texts: int) -> None:
    """Send to all numbers, as a worker script does, until the process is killed."""
    people = (Recipient(mobile, fields=fields(place, texts)) for place, mobile in enumerate(numbers(count)))
    message, to = (TEMPLATE, people) if texts else (MESSAGE, numbers(count))
    limits = limits_of(texts)
    async with AsyncEmayVoice(url, app_id=app_id, secret_key=secret_key, rate_limits=limits) as voice:
        async for _ in voice.send_batches(message, to, journal=SqliteJournal(path)):
            pass


async def campaign(
    count: int, kills: int, seed: int, patience: float = 1.2, *, texts: int = 0, alone: bool = False
) -> Result:
    """Run a campaign to its end in spite of ``kills`` kills."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    haste = 1000 if texts > MAX_BATCH else 50
    sandbox = Sandbox(
        balance=Decimal(count),
        rate_limits=limits_of(texts),
        latency=lambda: chance.expovariate(haste),
        answer_latency=lambda: chance.expovariate(haste),
    )
    began, runs, killed, refused = time.monotonic(), 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "0" / "run.db"
        path.parent.mkdir(mode=0o700)
        async with sandbox.serve() as url:
            while True:
                runs += 1
                arguments = [
                    "--work",
                    url,
                    sandbox.app_id,
                    sandbox.secret_key,
                    str(path),
                    str(count),
                    str(texts),
                ]
                worker = await asyncio.create_subprocess_exec(sys.executable, __file__, *arguments)
                try:
                    # A worker needs about half a second to start.
                    wait = 0.3 + chance.random() * patience if killed < kills else None
                    await asyncio.wait_for(worker.wait(), wait)
                except TimeoutError:
                    worker.kill()
                    killed += 1
                if await worker.wait() == 0:
                    seconds = time.monotonic() - began
                    return await _judged(sandbox, url, path, count, texts, killed, runs, seconds, refused)
                if alone:
                    path, is_refused = await _copied(path, Path(folder) / str(runs), texts)
                    refused += is_refused


async def _copied(path: Path, folder: Path, texts: int) -> tuple[Path, bool]:
    """Copy a journal without its side files; with them, if the journal alone is refused."""
    copy = _copy(path, folder, "run.db")
    try:
        await SqliteJournal(copy).start(Purpose("", TEMPLATE if texts else MESSAGE), dry=True)
    except JournalError as error:
        if "another account" in error.reason:
            return copy, False
        print(f"  {error.reason}")
        _copy(path, folder, "run.db*")
        return copy, True
    return copy, False


def _copy(path: Path, folder: Path, pattern: str) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    for file in path.parent.glob(pattern):
        shutil.copy(file, folder)
    return folder / path.name


async def _judged(
    sandbox: Sandbox,
    url: str,
    path: Path,
    count: int,
    texts: int,
    kills: int,
    runs: int,
    seconds: float,
    refused: int,
) -> Result:
    called = Counter(call.mobile for call in sandbox.calls)
    heard = {call.mobile: call.content for call in sandbox.calls}
    words = {
        mobile: TEMPLATE.content.format_map(fields(place, texts)) if texts else MESSAGE.content
        for place, mobile in enumerate(numbers(count))
    }
    sends = sum(one.acted for one in sandbox.received if one.path == VOICE_SEND.path)
    journal = SqliteJournal(path)
    before = {line.mobile: line.state async for line in journal.lines()}
    async with AsyncEmayVoice(url, app_id=sandbox.app_id, secret_key=sandbox.secret_key) as voice, journal:
        while reports := await voice.take_reports(1000):
            await journal.record(reports)
    after = {line.mobile: line.state async for line in journal.lines()}
    unknown = [mobile for mobile, state in before.items() if state is State.UNKNOWN]
    accounted = {mobile for mobile, state in before.items() if state in (State.ACCEPTED, State.UNKNOWN)}
    return Result(
        kills=kills,
        runs=runs,
        seconds=seconds,
        requests=sends - sandbox.over_speed,
        fewest=sum(-(-times // MAX_BATCH) for times in Counter(words.values()).values()),
        called=len(called),
        twice=sum(times > 1 for times in called.values()),
        wrong=sum(words[mobile] != content for mobile, content in heard.items()),
        unaccounted=len((set(numbers(count)) | set(called)) - accounted),
        accepted=sum(state is State.ACCEPTED for state in before.values()),
        unknown=len(unknown),
        settled=sum(after[mobile] is State.ACCEPTED for mobile in unknown),
        lost=sum(mobile in called and after[mobile] is not State.ACCEPTED for mobile in unknown),
        over_speed=sandbox.over_speed,
        refused=refused,
    )


def main() -> int:
    """Run the campaign of the arguments, and print the result."""
    parser = argparse.ArgumentParser(description="Kill a campaign at random moments, and resume it.")
    parser.add_argument("--numbers", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))  # noqa: S311
    parser.add_argument("--texts", type=int, default=0, help="different texts of a template; 0: one message")
    parser.add_argument(
        "--patience", type=float, default=1.2, help="the most seconds of a run before its kill"
    )
    parser.add_argument("--alone", action="store_true", help="copy the file alone after each kill")
    parser.add_argument("--work", nargs=6, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        url, app_id, secret_key, path, count, texts = options.work
        asyncio.run(work(url, app_id, secret_key, path, int(count), int(texts)))
        return 0
    result = asyncio.run(
        campaign(
            options.numbers,
            options.kills,
            options.seed,
            options.patience,
            texts=options.texts,
            alone=options.alone,
        )
    )
    print(f"{options.numbers:,} numbers, {options.texts:,} texts, seed {options.seed}:")
    for name, figure in asdict(result).items():
        print(f"  {name:<12} {figure:>10.6g}")
    print("good" if result.is_good else "BAD")
    return 0 if result.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
