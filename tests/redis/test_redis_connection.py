"""Connections to Redis: URLs, clients, and transient and permanent errors."""

import asyncio
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.sentinel import Sentinel
from support import servers
from support.virtual_time import run

from emay_voice_async.errors import InvalidRequestError, UsageError
from emay_voice_async.model.endpoints import Call
from emay_voice_async.redis.backoff import UnavailableError
from emay_voice_async.redis.connection import Connection
from emay_voice_async.redis.pacer import RedisPacer
from emay_voice_async.redis.scripts import Script

SECRET = "Zq9secretZq9"


def refused(client_or_url: Any) -> InvalidRequestError:
    """Return the error of a bad client or URL."""
    with pytest.raises(InvalidRequestError) as caught:
        Connection(client_or_url, 1.0)
    assert caught.value.field == "client_or_url"
    assert caught.value.__cause__ is None
    return caught.value


def sentinel() -> Any:
    """Make a sentinel client without a sentinel."""
    return Sentinel([("127.0.0.1", 1)])  # type: ignore[no-untyped-call]


class BrokenCleanup(Redis):
    """A client whose cleanup fails when a command is cancelled, as in a cluster without a master."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Wait for ever."""
        try:
            await asyncio.sleep(10**6)
        finally:
            raise redis.ConnectionError("the connection is gone")


class TestCancelling:
    """Cancelled commands, when the client replaces the cancellation by an error."""

    def test_a_command(self) -> None:
        """A cancelled command ends as cancelled, and a command without an answer as unavailable."""

        async def main() -> None:
            connection = Connection(BrokenCleanup(), 1.0)
            command = asyncio.ensure_future(connection.command("GET", "key"))
            await asyncio.sleep(0)
            command.cancel()
            await asyncio.wait([command])
            assert command.cancelled()
            with pytest.raises(UnavailableError, match="gone"):
                await connection.command("GET", "key")

        run(main())

    def test_closing_a_pacer(self) -> None:
        """A pacer is closed after two timeouts, and its task has ended."""

        async def main() -> None:
            loop = asyncio.get_running_loop()
            pacer = RedisPacer(BrokenCleanup(), app_id="EUCP-1", timeout=0.75)
            waiting = asyncio.ensure_future(pacer.acquire(Call.SEND))
            await asyncio.sleep(0.1)
            before = loop.time()
            await pacer.aclose()
            assert loop.time() - before == pytest.approx(1.5, abs=0.01)
            assert isinstance(waiting.exception(), UsageError)
            assert asyncio.all_tasks() == {asyncio.current_task()}

        run(main())


class TestUrl:
    """URLs of servers."""

    @pytest.mark.parametrize(
        "sign", ["/", "?", "#", "[", "]", " ", "\n", "\t", "@x/", "#@", "/@", "?db=3&x="]
    )
    @pytest.mark.parametrize(
        "url", ["redis://:{}@host:6379/0", "rediss://user:{}@host", "redis://u:12{}@h", "redis://:{}x@h/1"]
    )
    def test_reserved_characters(self, sign: str, url: str) -> None:
        """A password that is cut in two is refused without the password, with the advice to encode it."""
        error = refused(
            url.format(SECRET[:6] + sign + SECRET[6:]) if "12{" not in url else url.format(sign + "3")
        )
        assert "percent-encode reserved characters" in error.rule
        assert SECRET[:6] not in str(error)
        assert SECRET[6:] not in str(error)

    @pytest.mark.slow
    @given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12))
    def test_an_encoded_password_arrives(self, password: str) -> None:
        """Any password that is percent-encoded as advised reaches the client."""
        client = Connection(f"redis://user:{quote(password, safe='')}@host:6380/3", 1.0)._client
        assert isinstance(client, Redis)
        options = client.connection_pool.connection_kwargs
        assert (options["password"], options["host"], options["port"], options["db"]) == (
            password,
            "host",
            6380,
            3,
        )

    @given(st.text(":@/?#[]%&=+ab1 ", min_size=1, max_size=12))
    def test_a_raw_password_never_becomes_the_host(self, password: str) -> None:
        """With a password that is not encoded, the host is right or the URL is refused."""
        try:
            client = Connection(f"redis://:{password}@host:6380/3", 1.0)._client
        except InvalidRequestError:
            return
        assert isinstance(client, Redis)
        options = client.connection_pool.connection_kwargs
        assert (options["host"], options["port"], options["db"]) == ("host", 6380, 3)

    @pytest.mark.parametrize(
        "url",
        [
            *(
                "redis://",
                "redis://host",
                "redis://host/",
                "redis://host:6380/2",
                "redis://[::1]:6380",
                "redis://:p:w@h",
            ),
            *(
                "rediss://u:p@h/0?ssl_cert_reqs=none",
                "unix:///tmp/s.sock?db=1",
                "redis://h?health_check_interval=9",
            ),
        ],
    )
    def test_good_urls(self, url: str) -> None:
        """Common URLs are accepted without I/O."""
        assert Connection(url, 1.0).timeout == 1.0

    @pytest.mark.parametrize(
        "url",
        [
            *(
                "http://:{}@host",
                "redis:{}",
                "redis://:{}",
                "redis://host/{}",
                "redis://host:{}",
                "redis://host:99999",
            ),
            *("redis://host:", "redis://h?db={}", "", "host:6379", "{}", "unix:///s#{}"),
        ],
    )
    def test_bad_urls(self, url: str) -> None:
        """Other texts are refused, and the error does not repeat them."""
        assert SECRET not in str(refused(url.format(SECRET)))

    @pytest.mark.parametrize(
        ("url", "text"),
        [
            ("redis://h?timeout=5", "the unknown option timeout"),
            ("redis://h?sslmode=require", "the unknown option sslmode"),
            ("rediss://h?ssl_cert_reqs=maybe", "Invalid SSL Certificate Requirements Flag"),
            ("rediss://h?ssl_ca_certs=/gone.pem", "must have an existing file as ssl_ca_certs"),
            ("rediss://h?ssl_certfile=/gone.pem", "must have an existing file as ssl_certfile"),
        ],
    )
    def test_options(self, url: str, text: str) -> None:
        """Unknown options and missing certificate files are told at once."""
        assert text in str(refused(url))


class TestClient:
    """Client objects."""

    @pytest.mark.parametrize(
        ("value", "found"),
        [
            (Redis, "the class Redis instead of an object"),
            (RedisCluster, "the class RedisCluster instead of an object"),
            (redis.Redis(), "Redis"),
            (redis.asyncio.ConnectionPool(), "ConnectionPool"),
            (sentinel(), "Sentinel"),
            (b"redis://h", "bytes"),
            (None, "NoneType"),
        ],
        ids=["Redis class", "RedisCluster class", "synchronous", "pool", "sentinel", "bytes", "None"],
    )
    def test_other_objects(self, value: object, found: str) -> None:
        """A class, a synchronous client, a pool or a sentinel itself is refused with the right form."""
        error = refused(value)
        assert error.actual == found
        assert "Redis, RedisCluster, or Sentinel(...).master_for(name)" in error.rule

    def test_clients_of_a_sentinel_and_of_a_cluster(self) -> None:
        """Clients with a failover of their own are accepted, and wait while a master is replaced."""
        master = sentinel().master_for("main")
        cluster = RedisCluster(host="127.0.0.1", port=1)
        for client in (master, cluster):
            assert not Connection(client, 1.0)._is_permanent(redis.ReadOnlyError("replica"))
        assert Connection("redis://h", 1.0)._is_permanent(redis.ReadOnlyError("replica"))

    @pytest.mark.slow
    def test_an_unreachable_sentinel_or_cluster_is_transient(self) -> None:
        """Without any node, a retry may succeed."""

        async def main() -> None:
            for client in (
                sentinel().master_for("main"),
                RedisCluster(host="127.0.0.1", port=1),
            ):
                with pytest.raises(UnavailableError):
                    await Connection(client, 1.0).command("PING")
                await client.aclose()

        asyncio.run(main())


def caused(error: Exception, cause: Exception) -> Exception:
    """Return an error with a cause, as redis-py wraps errors of the network."""
    error.__cause__ = cause
    return error


class TestErrors:
    """Transient and permanent errors."""

    @pytest.mark.parametrize(
        ("error", "permanent"),
        [
            (redis.OutOfMemoryError("command not allowed"), False),
            (redis.BusyLoadingError("loading"), False),
            (redis.exceptions.TryAgainError("slots are moved"), False),
            (redis.exceptions.ClusterDownError("the cluster is down"), False),
            (redis.ResponseError("MISCONF cannot write to disk"), False),
            (redis.ResponseError("NOREPLICAS not enough"), False),
            (redis.ResponseError("ERR unknown command"), True),
            (redis.ResponseError("WRONGTYPE"), True),
            (redis.exceptions.NoPermissionError("no right to run scripts"), True),
            (redis.AuthenticationError("no password"), True),
            (redis.exceptions.AuthenticationWrongNumberOfArgsError("ERR wrong number"), True),
            (redis.ReadOnlyError("replica"), True),
            (redis.exceptions.RedisClusterException("Cluster mode is not enabled on this node"), True),
            (redis.exceptions.RedisClusterException("Redis Cluster cannot be connected"), False),
            (redis.exceptions.MaxConnectionsError(), False),
            (ConnectionResetError(), False),
            (FileNotFoundError("the socket of a server that is down"), False),
            (TimeoutError(), False),
            (caused(redis.ConnectionError("verify failed"), ssl.SSLCertVerificationError()), True),
            (caused(redis.ConnectionError("wrong version"), ssl.SSLError(1, "WRONG_VERSION_NUMBER")), True),
            (caused(redis.ConnectionError("cut"), ssl.SSLEOFError()), False),
            (caused(redis.ConnectionError("refused"), ConnectionRefusedError()), False),
        ],
        ids=repr,
    )
    def test_they_are_told_apart(self, error: Exception, permanent: bool) -> None:
        """Load and lost connections are transient; rights, settings and certificates are permanent."""
        assert Connection("redis://h", 1.0)._is_permanent(error) is permanent

    def test_a_missing_certificate_file_is_permanent_with_tls_only(self) -> None:
        """FileNotFoundError means a missing certificate with TLS, and a missing socket otherwise."""
        error = caused(redis.ConnectionError("Error 2"), FileNotFoundError())
        assert Connection("rediss://h", 1.0)._is_permanent(error)
        assert not Connection("unix:///s", 1.0)._is_permanent(error)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Serve TLS with a certificate that no client knows; give the port."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    try:
        subprocess.run(
            [*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
        )
    except FileNotFoundError:
        pytest.skip("there is no openssl program")
    yield from _serve_tls(key, certificate)


def _serve_tls(key: Path, certificate: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with closing(connection):
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


class TestServer:
    """Errors of real servers."""

    def test_a_bad_certificate_is_permanent(self, tls: int) -> None:
        """A certificate that cannot be verified is no outage."""

        async def main() -> None:
            connection = Connection(f"rediss://127.0.0.1:{tls}", 5.0)
            with pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
                await connection.command("PING")
            await connection.aclose()

        asyncio.run(main())

    @pytest.mark.slow
    def test_tls_to_a_plain_server_is_permanent(self) -> None:
        """rediss:// to a server without TLS fails at once, if the server answers at all."""

        async def main() -> None:
            url = servers.url(servers.REDIS).replace("redis://", "rediss://")
            connection = Connection(url, 1.0)
            with pytest.raises((redis.ConnectionError, UnavailableError)):
                await connection.command("PING")
            await connection.aclose()

        asyncio.run(main())

    def test_a_new_script_is_sent_after_its_hash(self) -> None:
        """A script that the server does not know is sent as text, and found by hash from then on."""
        script = Script(f"-- {SECRET}{id(object())}\nreturn ARGV[1]")

        async def main() -> None:
            connection = Connection(servers.url(servers.REDIS), 1.0)
            for _ in range(2):
                assert await connection.run(script, ["k"], "answer") == b"answer"
            assert await connection.command("SCRIPT", "EXISTS", script.sha) == [1]
            await connection.aclose()

        asyncio.run(main())


def test_a_node_of_a_cluster_is_told_as_such() -> None:
    """MOVED to a plain client names the client to pass instead."""

    class Node(Redis):
        async def execute_command(self, *args: Any, **options: Any) -> Any:
            raise redis.exceptions.MovedError("1234 127.0.0.1:7001")

    async def main() -> None:
        with pytest.raises(UsageError, match=r"node of a cluster: pass redis.asyncio.RedisCluster"):
            await Connection(Node(), 1.0).command("PING")

    asyncio.run(main())
