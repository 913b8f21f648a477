"""RedisPacer over a real server: connection, keys, and whole processes."""

import asyncio
import importlib
import logging
import random
import secrets
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.asyncio import Redis
from support import servers

from emay_voice_async import AsyncEmayVoice, InvalidRequestError, NotSentError, RateLimit, RateLimits
from emay_voice_async.model.endpoints import Call
from emay_voice_async.redis import RedisPacer
from emay_voice_async.redis.backoff import UnavailableError
from emay_voice_async.redis.protocol import SyncRequest
from emay_voice_async.sandbox import Sandbox

WORKER = Path(__file__).parent.parent / "support" / "redis_worker.py"
LIMIT = RateLimit(10, 0.5)
SHORT = RateLimits(send=RateLimit(2, 0.2), reports=None)


class Account:
    """An account used by one test only, on a server that others may use."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.app_id = "EUCP-EMY-SHARED"
        self.prefix = f"emay_voice_test_{secrets.token_hex(8)}"

    def pacer(self, limits: RateLimits = SHORT, client: Redis | None = None) -> RedisPacer:
        """Make the pacer of one process."""
        return RedisPacer(client or self.url, app_id=self.app_id, rate_limits=limits, prefix=self.prefix)

    def written(self) -> list[str]:
        """List the keys of this account."""
        with redis.Redis.from_url(self.url, decode_responses=True) as client:
            return sorted(str(key) for key in client.scan_iter(f"{self.prefix}:*", count=10_000))


@pytest.fixture
def account() -> Iterator[Account]:
    """Give the test an account, and delete the keys."""
    one = Account(servers.url(servers.REDIS))
    yield one
    with redis.Redis.from_url(one.url) as client:
        for key in one.written():
            client.delete(key)


class TestConstructor:
    """Arguments are checked before any I/O."""

    def test_it_needs_no_server_and_no_loop(self) -> None:
        """The constructor does no I/O: even an unknown host is not noticed."""
        pacer = RedisPacer("redis://nobody.invalid:1", app_id="a", rate_limits=SHORT)
        assert pacer.limit(Call.SEND) == SHORT.send
        assert pacer.limit(Call.REPORTS) is None

    def test_longest_includes_the_timeout(self) -> None:
        """A lease begins with the grant on the server, at most one timeout before the request is sent."""
        pacer = RedisPacer("redis://host", app_id="a", longest=50, timeout=3)
        assert server_of(pacer).terms.longest == 53_000_000

    @pytest.mark.parametrize(
        ("field", "arguments"),
        [
            ("client_or_url", {"client_or_url": "http://:secret@host"}),
            ("client_or_url", {"client_or_url": 5}),
            ("client_or_url", {"client_or_url": redis.Redis()}),
            ("app_id", {"app_id": ""}),
            ("rate_limits", {"rate_limits": RateLimit(1, 1.0)}),
            ("on_outage", {"on_outage": 5}),
            ("longest", {"longest": 0}),
            ("timeout", {"timeout": "1"}),
            ("timeout", {"timeout": True}),
            ("prefix", {"prefix": " "}),
            ("prefix", {"prefix": "a{b}"}),
        ],
    )
    def test_a_bad_argument_is_named(self, field: str, arguments: dict[str, Any]) -> None:
        """The error of a bad argument names the argument and shows no secret."""
        with pytest.raises(InvalidRequestError, match=field) as found:
            RedisPacer(**{"client_or_url": "redis://host", "app_id": "a", **arguments})
        assert found.value.field == field
        assert "secret" not in str(found.value)

    def test_without_the_extra_the_error_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The error is one line with the command to install the extra."""
        monkeypatch.setitem(sys.modules, "redis", None)
        monkeypatch.delitem(sys.modules, "emay_voice_async.redis")
        with pytest.raises(ImportError, match=r'redis is missing: python -m pip install "\.\[redis\]"'):
            importlib.import_module("emay_voice_async.redis")


class TestServer:
    """One process and a real server."""

    @pytest.mark.slow
    def test_a_new_account_waits_one_period(self, account: Account) -> None:
        """The first request waits as if the limit had just been used up; then all slots are free."""

        async def main() -> None:
            loop = asyncio.get_running_loop()
            async with account.pacer() as pacer:
                began = loop.time()
                leases = [await pacer.acquire(Call.SEND) for _ in range(2)]
                assert loop.time() - began >= 0.2
                for lease in leases:
                    lease.end()
                ended = loop.time()
                (await pacer.acquire(Call.SEND)).give_back()
                assert loop.time() - ended >= 0.2

        asyncio.run(main())

    @pytest.mark.slow
    def test_kinds_of_call_do_not_wait_for_each_other(self, account: Account) -> None:
        """Each kind of call has slots of its own; an unlimited kind needs no server."""

        async def main() -> None:
            async with account.pacer() as pacer:
                for _ in range(3):
                    lease = await pacer.acquire(Call.REPORTS)
                    lease.end()
                lease.give_back()
                assert account.written() == []
                first = await pacer.acquire(Call.SEND)
                second = await pacer.acquire(Call.BALANCE)
                first.end()
                second.end()

        asyncio.run(main())
        kinds = Counter(name.split("}")[0].split(":")[-1] for name in account.written())
        assert set(kinds) == {"send", "balance"}

    @pytest.mark.slow
    def test_the_keys_are_on_one_node_and_hide_the_account(self, account: Account) -> None:
        """All keys of a kind of call have the same text in braces; the appId is not in them."""

        async def main() -> None:
            async with account.pacer() as pacer:
                waiting = [asyncio.ensure_future(pacer.acquire(Call.SEND)) for _ in range(3)]
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                keys = account.written()
                assert len({key[key.index("{") : key.index("}")] for key in keys}) == 1
                assert {key.split("}:")[1].split(":")[0] for key in keys} >= {"leases", "state", "process"}
                assert not [key for key in keys if account.app_id in key]
                waiting[2].cancel()
                await asyncio.wait(waiting)

        asyncio.run(main())

    @pytest.mark.slow
    @pytest.mark.parametrize("decoded", [False, True])
    def test_a_client_passed_in_stays_open(self, account: Account, decoded: bool) -> None:
        """A client passed in works with and without decode_responses, and is not closed."""

        async def main() -> None:
            async with Redis.from_url(account.url, decode_responses=decoded) as client:
                async with account.pacer(client=client) as pacer:
                    (await pacer.acquire(Call.SEND)).end()
                connections = client.connection_pool._available_connections
                assert any(one.is_connected for one in connections)
                assert await client.ping()

        asyncio.run(main())

    @pytest.mark.slow
    def test_another_limit_for_the_same_account(self, account: Account) -> None:
        """Two processes with different limits keep to the stricter limit."""

        async def main() -> None:
            wide, narrow = RateLimits(send=RateLimit(9, 0.2)), RateLimits(send=RateLimit(2, 0.3))
            async with (
                account.pacer(wide) as one,
                account.pacer(narrow) as other,
            ):
                (await other.acquire(Call.SEND)).end()
                (await one.acquire(Call.SEND)).end()
                assert one.limit(Call.SEND) == other.limit(Call.SEND) == RateLimit(2, 0.3)

        asyncio.run(main())


@pytest.fixture(scope="module")
def private() -> Iterator[str]:
    """Start a server with settings that the tests may change."""
    with servers.own(servers.REDIS) as (_, own_url):
        yield own_url


def server_of(pacer: RedisPacer) -> Any:
    """Return the server of the queue of the sends."""
    return pacer._queues[Call.SEND]._server


class TestErrors:
    """Errors of the server."""

    @pytest.mark.slow
    def test_a_script_that_was_forgotten_is_sent_again(self, private: str) -> None:
        """A server that was restarted, or whose scripts were flushed, is sent the scripts again."""

        async def main() -> None:
            async with RedisPacer(private, app_id=secrets.token_hex(4), rate_limits=SHORT) as pacer:
                (await pacer.acquire(Call.SEND)).end()
                await pacer._connection.command("SCRIPT", "FLUSH")
                (await pacer.acquire(Call.SEND)).end()

        asyncio.run(main())

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("broken", "mended"),
        [
            (
                ["CONFIG", "SET", "min-replicas-to-write", "1"],
                ["CONFIG", "SET", "min-replicas-to-write", "0"],
            ),
        ],
        ids=["without replicas"],
    )
    def test_a_transient_error_is_waited_out(
        self, private: str, caplog: pytest.LogCaptureFixture, broken: list[str], mended: list[str]
    ) -> None:
        """The request waits until the server recovers, then gets a slot."""

        async def main() -> None:
            async with RedisPacer(private, app_id=secrets.token_hex(4), rate_limits=SHORT) as pacer:
                await pacer._connection.command(*broken)
                waiting = asyncio.ensure_future(pacer.acquire(Call.SEND))
                while not caplog.messages:
                    await asyncio.sleep(0.01)
                await pacer._connection.command(*mended)
                (await waiting).end()

        with caplog.at_level(logging.WARNING, "emay_voice_async"):
            asyncio.run(main())
        assert ["cannot be used" in caplog.messages[0], "is back" in caplog.messages[1]] == [True, True]

    def test_a_wrong_password_is_told_at_once(self, private: str) -> None:
        """A permanent error fails the request at once, and the client makes it NotSent."""

        async def main() -> None:
            async with Redis.from_url(private) as admin:
                await admin.config_set("requirepass", "right")
                try:
                    host = private.removeprefix("redis://")
                    pacer = RedisPacer(f"redis://:wrong@{host}", app_id="a", rate_limits=SHORT)
                    voice = AsyncEmayVoice("http://127.0.0.1:1", app_id="a", secret_key="k" * 16, pacer=pacer)
                    async with pacer, voice:
                        with pytest.raises(NotSentError, match="AuthenticationError"):
                            await voice.get_balance(deadline=10)
                finally:
                    await admin.config_set("requirepass", "")

        asyncio.run(main())

    @pytest.mark.slow
    def test_a_read_only_replica_is_told_at_once(self, private: str) -> None:
        """A server that is a replica is a wrong server: requests fail until the server is a master."""

        async def main() -> None:
            async with RedisPacer(private, app_id=secrets.token_hex(4), rate_limits=SHORT) as pacer:
                await pacer._connection.command("REPLICAOF", "127.0.0.1", "1")
                try:
                    with pytest.raises(redis.ReadOnlyError):
                        await pacer.acquire(Call.SEND)
                finally:
                    await pacer._connection.command("REPLICAOF", "NO", "ONE")
                (await pacer.acquire(Call.SEND)).end()

        asyncio.run(main())

    def test_a_foreign_key_is_told_at_once(self, private: str) -> None:
        """A key of another type is a permanent error, and is not overwritten."""

        async def main() -> None:
            async with RedisPacer(private, app_id=secrets.token_hex(4), rate_limits=SHORT) as pacer:
                await pacer._connection.command("SET", f"{server_of(pacer)._key}:state", "mine")
                with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
                    await pacer.acquire(Call.SEND)
                assert await pacer._connection.command("GET", f"{server_of(pacer)._key}:state") == b"mine"

        asyncio.run(main())

    def test_a_response_to_another_request_is_refused(self, private: str) -> None:
        """A request that came too late, or that got another response, counts as lost."""

        async def main() -> None:
            async with RedisPacer(private, app_id=secrets.token_hex(4), rate_limits=SHORT) as pacer:
                server = server_of(pacer)
                first, second = (SyncRequest("p", sequence, 0, "", 0, 1) for sequence in (1, 2))
                answer = await server.sync(second)
                assert answer == await server.sync(second)
                with pytest.raises(UnavailableError, match="a later command"):
                    await server.sync(first)
                key = f"{server._key}:process:p"
                await pacer._connection.command("HSET", key, "response", '[1,"e",0,-1,2,2,200000,0]')
                with pytest.raises(UnavailableError, match="another command"):
                    await server.sync(second)

        asyncio.run(main())


@pytest.mark.slow
def test_a_deadline_ends_the_waiting_for_a_server() -> None:
    """Without a server a request waits until its deadline, and is not sent."""

    async def main() -> None:
        pacer = RedisPacer("redis://127.0.0.1:1", app_id="a", rate_limits=SHORT)
        async with (
            pacer,
            AsyncEmayVoice("http://127.0.0.1:1", app_id="a", secret_key="k" * 16, pacer=pacer) as voice,
        ):
            with pytest.raises(NotSentError, match="deadline"):
                await voice.get_balance(deadline=0.3)

    asyncio.run(main())


class Fleet:
    """Processes that send with the same account to a local service."""

    def __init__(self, sandbox: Sandbox, base_url: str, redis_url: str) -> None:
        self.sandbox = sandbox
        self._urls = base_url, redis_url
        self._processes: list[asyncio.subprocess.Process] = []

    async def start(self, *names: str, count: int) -> list[asyncio.subprocess.Process]:
        """Start processes, and let them begin together."""
        account = self.sandbox.app_id, self.sandbox.secret_key
        limit = f"{LIMIT.requests}/{LIMIT.period}"
        arguments = [sys.executable, str(WORKER), *self._urls, *account]
        started = [
            await asyncio.create_subprocess_exec(
                *arguments,
                name,
                str(count),
                limit,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            for name in names
        ]
        self._processes += started
        for one in started:
            assert one.stdout is not None
            assert await one.stdout.readline() == b"ready\n"
        for one in started:
            assert one.stdin is not None
            one.stdin.write(b"go\n")
        return started

    async def accepted(self, process: asyncio.subprocess.Process) -> int:
        """Wait for a process to end; return the number of its accepted requests."""
        told, _ = await process.communicate()
        return int(told)

    async def seen(self, calls: int) -> None:
        """Wait until the service has accepted this many requests."""
        while len(self.sandbox.calls) < calls:
            await asyncio.sleep(0.01)

    async def end(self) -> None:
        """Kill the processes that still run."""
        for one in self._processes:
            if one.returncode is None:
                one.kill()
            await one.communicate()


@asynccontextmanager
async def fleet(redis_url: str) -> AsyncIterator[Fleet]:
    """Serve a local service on a socket, with random latencies."""
    chance = random.Random(7)
    sandbox = Sandbox(
        app_id=f"EUCP-{secrets.token_hex(8)}",
        rate_limits=RateLimits(send=LIMIT),
        latency=lambda: chance.uniform(0.0, 0.02),
        answer_latency=lambda: chance.uniform(0.0, 0.02),
    )
    async with sandbox.serve() as base_url:
        one = Fleet(sandbox, base_url, redis_url)
        try:
            yield one
        finally:
            await one.end()


class TestProcesses:
    """Whole processes on one account, with a real service behind a socket."""

    def test_all_get_through_in_fair_shares(self) -> None:
        """Three processes send all their requests once each, without a refusal, in equal shares."""

        async def main(redis_url: str) -> None:
            async with fleet(redis_url) as one:
                started = await one.start("a", "b", "c", count=12)
                assert [await one.accepted(process) for process in started] == [12, 12, 12]
                calls = one.sandbox.calls
                assert one.sandbox.over_speed == 0
                assert len({call.custom_id for call in calls}) == len(calls) == 36
                half = Counter(str(call.custom_id)[0] for call in calls[:18])
                assert min(half.values()) >= 3

        with servers.own(servers.REDIS) as (_, redis_url):
            asyncio.run(main(redis_url))

    def test_no_refusal_when_redis_or_a_process_dies(self) -> None:
        """Redis is paused, then killed and restarted empty; a process is killed, and another begins."""

        async def main(server: servers.Temporary, redis_url: str) -> None:
            async with fleet(redis_url) as one:
                first, second = await one.start("a", "b", count=20)
                await one.seen(8)
                server.pause()
                await asyncio.sleep(1.2)
                server.resume()
                await one.seen(18)
                server.kill()
                await asyncio.to_thread(server.start)
                await one.seen(24)
                second.kill()
                [third] = await one.start("c", count=8)
                assert await one.accepted(first) == 20
                assert await one.accepted(third) == 8
                assert one.sandbox.over_speed == 0
                calls = [call.custom_id for call in one.sandbox.calls]
                assert len(set(calls)) == len(calls)

        with servers.own(servers.REDIS) as (server, redis_url):
            asyncio.run(main(server, redis_url))
