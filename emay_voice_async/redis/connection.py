"""Commands and scripts on a Redis server, and which errors are worth a retry."""

import asyncio
import re
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import redis.asyncio
import redis.exceptions
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff

from emay_voice_async.errors import InvalidRequestError, UsageError
from emay_voice_async.model.checks import check_seconds, check_text
from emay_voice_async.redis.backoff import UnavailableError
from emay_voice_async.redis.scripts import Script

__all__ = ["Client", "Connection", "check_prefix", "check_wait", "described"]

Client = redis.asyncio.Redis | redis.asyncio.RedisCluster

_ERRORS: Final = (
    OSError,
    TimeoutError,
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.ClusterError,
    redis.exceptions.ResponseError,
    redis.exceptions.RedisClusterException,
)
_LONGEST: Final = 10**7
_TRANSIENT: Final = (
    redis.exceptions.ClusterError,
    redis.exceptions.TryAgainError,
    redis.exceptions.OutOfMemoryError,
)
_TRANSIENT_CODES: Final = ("BUSY", "MISCONF", "NOREPLICAS", "LOADING", "MASTERDOWN", "OOM")
"""Error codes of a server that can recover by itself."""
_PERMANENT: Final = (redis.exceptions.AuthenticationError, redis.exceptions.AuthorizationError)
_INTERRUPTED: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)

_RULE: Final = (
    "must be a URL such as redis://:PASSWORD@host:6379/0, rediss://... or unix:///path; in the password,"
    " percent-encode reserved characters such as / ? # @ : [ ] (urllib.parse.quote(password, safe=''))"
)
_FILES: Final = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
_DATABASE: Final = re.compile(r"/?[0-9]*/?")


def check_wait(name: str, value: float) -> None:
    """Check for a number of seconds that Redis can take as milliseconds."""
    check_seconds(name, value, _LONGEST)


def check_prefix(prefix: str) -> str:
    """Return the beginning of the keys, or raise :class:`InvalidRequestError`."""
    check_text("prefix", prefix)
    if "{" in prefix:
        raise InvalidRequestError("prefix", "must not have a brace, which says where a cluster keeps keys")
    return prefix


def described(value: object) -> str:
    """Name the type of a wrong argument, for an error."""
    return (
        f"the class {value.__name__} instead of an object"
        if isinstance(value, type)
        else type(value).__name__
    )


class Connection:
    """A client of the user's, never closed here, or a client made from a URL; commands have a timeout."""

    def __init__(self, client_or_url: Client | str, timeout: float) -> None:
        check_wait("timeout", timeout)
        self.timeout = timeout
        self._own = isinstance(client_or_url, str)
        if isinstance(client_or_url, str):
            self._client: Client = _from_url(client_or_url, timeout)
        elif isinstance(client_or_url, Client):
            self._client = client_or_url
        else:
            raise InvalidRequestError(
                "client_or_url",
                "must be a URL, or a redis.asyncio client: Redis, RedisCluster, or Sentinel(...).master_for(name)",
                None,
                described(client_or_url),
            )
        pool = getattr(self._client, "connection_pool", None)
        self._tls = issubclass(getattr(pool, "connection_class", object), redis.asyncio.SSLConnection)
        # Behind a sentinel or in a cluster, a read-only server means that a failover goes on.
        self._fails_over = pool is None or isinstance(pool, SentinelConnectionPool)

    async def run(self, script: Script, keys: Sequence[str], *arguments: str | int) -> Any:
        """Run a script and return the result; raises the errors of :meth:`command`."""
        rest = (len(keys), *keys, *arguments)
        try:
            return await self.command("EVALSHA", script.sha, *rest)
        except redis.exceptions.NoScriptError:
            return await self.command("EVAL", script.text, *rest)

    async def command(self, *words: str | int) -> Any:
        """Run a command and return the response; a cancellation is never lost.

        Raises :class:`UnavailableError` if a retry may succeed: the command may have run, or the
        server cannot run commands for now. Other errors are permanent: a wrong password, a bad
        certificate, a read-only replica, a missing right.
        """
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        cancelling = task.cancelling()
        try:
            async with asyncio.timeout(self.timeout):
                return await self._client.execute_command(*words)
        except redis.exceptions.MovedError:
            rule = "is a node of a cluster: pass redis.asyncio.RedisCluster.from_url(...) instead"
            raise UsageError("client_or_url", rule) from None
        except _ERRORS as error:
            if task.cancelling() > cancelling:
                # The cleanup of redis-py failed, and its error took the place of the cancellation.
                raise asyncio.CancelledError from error
            if self._is_permanent(error):
                raise
            raise UnavailableError(f"{type(error).__name__} {error}".rstrip()) from error

    async def aclose(self) -> None:
        """Close a client that was made from a URL."""
        if self._own:
            await self._client.aclose()

    def _is_permanent(self, error: BaseException) -> bool:
        if isinstance(error, redis.exceptions.ReadOnlyError):
            return not self._fails_over
        if isinstance(error, _TRANSIENT):
            return False
        if isinstance(error, redis.exceptions.ResponseError):
            return not str(error).startswith(_TRANSIENT_CODES)
        if isinstance(error, redis.exceptions.RedisClusterException):
            return "not enabled" in str(error) or any(map(self._is_permanent, _causes(error)))
        return isinstance(error, _PERMANENT) or any(map(self._is_refused, _causes(error)))

    def _is_refused(self, error: BaseException) -> bool:
        """Tell whether TLS fails for its settings or certificates, which is no interruption of the network."""
        if isinstance(error, FileNotFoundError | PermissionError):
            return self._tls
        return isinstance(error, ssl.SSLError) and not isinstance(error, _INTERRUPTED)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors that led to this error."""
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _from_url(url: str, timeout: float) -> redis.asyncio.Redis:
    if not _is_clear(url):
        raise InvalidRequestError("client_or_url", _RULE)
    try:
        # Retries are decided here, not in the library.
        client = redis.asyncio.Redis.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0)
        )
        options = client.connection_pool.connection_kwargs
        # Unknown options are found by making a connection, which does not connect yet.
        client.connection_pool.connection_class(**options)
    except ValueError:
        # Without the cause: that text may contain the password.
        raise InvalidRequestError("client_or_url", _RULE) from None
    except (TypeError, redis.exceptions.RedisError) as error:
        unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        found = f"the unknown option {unknown[1]}" if unknown else str(error)
        raise InvalidRequestError("client_or_url", "must have options of redis-py", None, found) from None
    for name in _FILES:
        if name in options and not Path(options[name]).exists():
            raise InvalidRequestError("client_or_url", f"must have an existing file as {name}")
    return client


def _is_clear(url: str) -> bool:
    """Tell whether no reserved character can have cut a password in two, which redis-py would not notice."""
    if "#" in url or re.search(r"[\s\x00-\x1f\x7f]", url):
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme == "unix":
        return True
    hidden = "@" in parts.path or "@" in parts.query
    no_port = parts.netloc.endswith(":") and port is None
    return not hidden and not no_port and _DATABASE.fullmatch(parts.path) is not None
