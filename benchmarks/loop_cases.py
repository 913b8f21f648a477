"""The operations of the benchmark ``loop``, each in a fresh event loop."""

import asyncio
import os
import sys
import tempfile
import threading
from base64 import b64encode
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from unittest import mock

from benchmarks import server
from benchmarks.clients import client
from benchmarks.samples import APP_ID, CONTENT, SECRET_KEY, mobiles, report_page, reports, written
from benchmarks.sql_journal import own_tables
from emay_voice_async import (
    Accepted,
    AsyncEmayVoice,
    Call,
    Journal,
    Notice,
    RateLimit,
    RateLimits,
    Recipient,
    Report,
    Template,
    VerificationCode,
)
from emay_voice_async.journal import SqliteJournal
from emay_voice_async.lists import read_recipients
from emay_voice_async.model.results import Outcome
from emay_voice_async.pacing.local import LocalPacer
from emay_voice_async.receiver import PushReceiver, RecentReports
from emay_voice_async.sql import SqlJournal
from emay_voice_async.wire.compression import compress
from emay_voice_async.wire.encryption import encrypt

# The certificates and the server with TLS belong to the tests.
sys.path.append(str(Path(__file__).parent.parent / "tests"))
from support.raw_server import certificate, raw_server, replies, response_bytes

__all__ = ["CASES", "Run"]

Run = Callable[[], Awaitable[object]]
Watch = Callable[[Run], Awaitable[None]]
"""Awaits an operation, and measures it."""

NOTICE: Final = Notice(CONTENT)
POSTGRES: Final = "EMAY_VOICE_TEST_POSTGRES_URL"


async def _sent_list(watch: Watch, *, quick: bool) -> str:
    numbers = mobiles(5_000 if quick else 500_000)
    with server.running() as url:
        async with client(url) as voice:
            await watch(lambda: _drained(voice.send_batches(NOTICE, numbers)))
    return f"a list of {len(numbers):,} numbers, sent in batches"


async def _kept_list(watch: Watch, *, quick: bool) -> str:
    numbers = mobiles(5_000 if quick else 500_000)
    with server.running() as url:
        async with client(url) as voice:
            await watch(lambda: voice.send(NOTICE, numbers))
    return "the same with all outcomes kept, by send"


async def _drained(outcomes: AsyncGenerator[Outcome, None]) -> None:
    async for outcome in outcomes:
        assert isinstance(outcome, Accepted), outcome  # noqa: S101


TEMPLATE: Final = Template(Notice, "尊敬的{name}，您的快递已到，取件码{code}。")


def _people(number: int, texts: int) -> list[Recipient]:
    return [
        Recipient(mobile, fields={"name": "张三", "code": f"8-{place % texts}"})
        for place, mobile in enumerate(mobiles(number))
    ]


async def _template(watch: Watch, *, quick: bool) -> str:
    people = _people(5_000 if quick else 100_000, 40)
    with server.running() as url:
        async with client(url) as voice:
            await watch(lambda: _drained(voice.send_batches(TEMPLATE, people)))
    return f"a template with 40 texts, sent to a list of {len(people):,}"


async def _checked_template(watch: Watch, *, quick: bool) -> str:
    people = _people(5_000 if quick else 100_000, 10**9)
    # The last entry is invalid, so that nothing but the check takes time.
    to: list[object] = [*people, mobiles(1)[0]]
    async with _nowhere() as voice:

        async def check() -> None:
            with suppress(ValueError):
                await _drained(voice.send_batches(TEMPLATE, to))  # type: ignore[arg-type]

        await watch(check)
    return f"a list of {len(people):,} different texts, checked"


async def _template_plan(watch: Watch, *, quick: bool) -> str:
    people = _people(5_000 if quick else 100_000, 10**9)
    async with _nowhere() as voice:
        await watch(lambda: voice.plan(TEMPLATE, people, ask_balance=False))
    return f"the plan of a list of {len(people):,} different texts"


async def _gathered_template(watch: Watch, *, quick: bool) -> str:
    people = _people(5_000 if quick else 100_000, 10**9)
    limits = RateLimits(send=RateLimit(1, 3600.0))
    with server.running() as url:
        async with AsyncEmayVoice(url, app_id=APP_ID, secret_key=SECRET_KEY, rate_limits=limits) as voice:

            async def first() -> None:
                outcomes = voice.send_batches(TEMPLATE, people)
                await anext(outcomes)
                await outcomes.aclose()

            await watch(first)
    return f"a list of {len(people):,} different texts, until the first outcome"


async def _checked_list(watch: Watch, *, quick: bool) -> str:
    recipients = [Recipient(mobile, f"id-{mobile}") for mobile in mobiles(5_000 if quick else 500_000)]
    # The last entry is invalid, so that nothing but the check takes time.
    to: list[object] = [*recipients, "bad"]
    async with _nowhere() as voice:

        async def check() -> None:
            with suppress(ValueError):
                await voice.send(NOTICE, to)  # type: ignore[arg-type]

        await watch(check)
    return f"a list of {len(recipients):,} recipients with ids, checked"


async def _plan(watch: Watch, *, quick: bool) -> str:
    numbers = mobiles(5_000 if quick else 500_000)
    async with _nowhere() as voice:
        await watch(lambda: voice.plan(NOTICE, numbers, ask_balance=False))
    return f"a list of {len(numbers):,} numbers, planned"


def _nowhere() -> AsyncEmayVoice:
    return AsyncEmayVoice("http://127.0.0.1:9", app_id=APP_ID, secret_key=SECRET_KEY)


async def _stream(watch: Watch, *, quick: bool) -> str:
    numbers, slots = mobiles(10_000 if quick else 100_000), 100
    limits = RateLimits(send=RateLimit(slots, 0.2))
    with server.running() as url:
        options = {"rate_limits": limits, "max_concurrency": slots}
        async with AsyncEmayVoice(url, app_id=APP_ID, secret_key=SECRET_KEY, **options) as voice:  # type: ignore[arg-type]
            await watch(lambda: _drained(voice.send_batches(NOTICE, iter(numbers))))
    return f"a stream of {len(numbers):,}, {slots} slots freed at once"


async def _codes(watch: Watch, *, quick: bool) -> str:
    numbers = mobiles(100 if quick else 1_000)
    code = VerificationCode("4711")
    with server.running() as url:
        async with client(server.slow(url)) as voice:
            await watch(lambda: asyncio.gather(*(voice.send(code, number) for number in numbers)))
    return f"{len(numbers):,} verification codes sent at once"


async def _first_call(watch: Watch, *, quick: bool) -> str:
    with server.running() as url:
        async with client(url) as voice:
            await watch(lambda: voice.send(NOTICE, mobiles(1)))
    return "the first call of a client, http"


async def _first_call_https(watch: Watch, *, quick: bool) -> str:
    with _https_service() as (url, certificate), mock.patch.dict(os.environ, SSL_CERT_FILE=certificate):
        async with client(url) as voice:
            await watch(voice.get_balance)
    return "the first call of a client, https"


@contextmanager
def _https_service() -> Iterator[tuple[str, str]]:
    """Serve a balance over TLS in a thread; yield the URL and the file of the certificate."""
    body = response_bytes(b'{"code":"SUCCESS","data":"1"}')
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    with tempfile.TemporaryDirectory() as folder:
        file, context = certificate(Path(folder))
        serving = raw_server(replies(body), context)
        thread.start()
        port = asyncio.run_coroutine_threadsafe(serving.__aenter__(), loop).result()
        try:
            yield f"https://127.0.0.1:{port}", str(file)
        finally:
            asyncio.run_coroutine_threadsafe(serving.__aexit__(None, None, None), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


async def _reports(watch: Watch, *, quick: bool) -> str:
    with server.running() as url:
        async with client(url) as voice:
            server.refill(url, 10**6)
            await watch(lambda: voice.take_reports(1000))
    return "a getReport of 1,000"


async def _push(watch: Watch, *, quick: bool) -> str:
    # As many reports as a push may have, with a recording each.
    number = 100 if quick else 10_000
    recordings = [b64encode(os.urandom(4_800)).decode() for _ in range(number)]
    page = written(
        [report | {"voiceSign": recordings[place]} for place, report in enumerate(reports(number))]
    )
    body = encrypt(compress(page), SECRET_KEY)
    taken = 0

    async def handler(found: list[Report]) -> None:
        nonlocal taken
        taken += len(found)

    receiver = PushReceiver(
        {APP_ID: SECRET_KEY}, handler, deduplicate=RecentReports(), max_body=2**26, max_size=2**26
    )
    await watch(lambda: receiver.handle("POST", "/", {"appId": APP_ID}, body, "127.0.0.1"))
    assert taken == number, taken  # noqa: S101
    return f"a push of {len(page) / 2**20:.0f} MiB"


async def _many_reports(watch: Watch, *, quick: bool) -> str:
    number = 1_000 if quick else 10_000
    body = encrypt(compress(report_page(number)), SECRET_KEY)

    async def handler(_: object) -> None:
        pass

    receiver = PushReceiver({APP_ID: SECRET_KEY}, handler, deduplicate=RecentReports())
    await watch(lambda: receiver.handle("POST", "/", {"appId": APP_ID}, body, "127.0.0.1"))
    return f"a push of {number:,} reports"


async def _journalled(watch: Watch, journal: Journal, number: int) -> None:
    numbers = mobiles(number)
    with server.running() as url:
        async with client(url) as voice:
            await watch(lambda: _drained(voice.send_batches(NOTICE, iter(numbers), journal=journal)))


async def _journal(watch: Watch, *, quick: bool) -> str:
    number = 2_000 if quick else 100_000
    with tempfile.TemporaryDirectory() as folder:
        async with SqliteJournal(Path(folder) / "run.db") as journal:
            await _journalled(watch, journal, number)
    return f"a journal of {number:,}"


async def _sql_journal(watch: Watch, *, quick: bool) -> str:
    number = 2_000 if quick else 20_000
    with tempfile.TemporaryDirectory() as folder:
        url = os.environ.get(POSTGRES, f"sqlite+aiosqlite:///{folder}/sql.db")
        async with (
            own_tables(url) as prefix,
            SqlJournal(url, "bench", prefix=prefix, create=True) as journal,
        ):
            await _journalled(watch, journal, number)
    return f"a SqlJournal of {number:,} ({url.partition(':')[0]})"


async def _list_file(watch: Watch, *, quick: bool) -> str:
    number = 10_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "numbers.txt"
        file.write_text("\n".join(mobiles(number)), "ascii")

        async def read() -> None:
            async for _ in read_recipients(file):
                pass

        await watch(read)
    return f"read_recipients of {number:,} lines"


async def _waiters(watch: Watch, *, quick: bool) -> str:
    number = 100 if quick else 10_000
    pacer = LocalPacer(RateLimits(send=RateLimit(number, 0.5)))

    async def wait() -> None:
        (await pacer.acquire(Call.SEND)).end()

    # The tasks begin before: to begin them is the work of the application.
    for _ in range(number):
        await wait()
    waiting = [asyncio.ensure_future(wait()) for _ in range(number)]
    await asyncio.sleep(0)
    await watch(lambda: asyncio.wait(waiting))
    return f"{number:,} waiters served at once"


CASES: Final[dict[str, Callable[..., Coroutine[None, None, str]]]] = {
    case.__name__: case
    for case in (
        _sent_list,
        _kept_list,
        _checked_list,
        _template,
        _checked_template,
        _template_plan,
        _gathered_template,
        _plan,
        _stream,
        _codes,
        _first_call,
        _first_call_https,
        _reports,
        _push,
        _many_reports,
        _journal,
        _sql_journal,
        _list_file,
        _waiters,
    )
}
"""Each measures one operation with ``watch``, and returns the name of it."""
