"""Commands and scripts on a Redis server, and which errors are worth a retry."""

import asyncio
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Final

import redis.asyncio
import redis.exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.checks import check_seconds, check_text
from emay_voice_async.redis.backoff import UnavailableError

__all__ = ["Client", "Connection", "Script", "check_prefix", "check_wait"]

Client = redis.asyncio.Redis | redis.asyncio.RedisCluster

_TRANSIENT: Final = (
    OSError,
    TimeoutError,
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.ClusterError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.TryAgainError,
    redis.exceptions.OutOfMemoryError,
)
_LONGEST: Final = 10**7
_PERMANENT: Final = (redis.exceptions.AuthenticationError, redis.exceptions.AuthorizationError)
_TRANSIENT_CODES: Final = ("BUSY", "MISCONF", "NOREPLICAS", "LOADING", "READONLY", "MASTERDOWN", "OOM")
"""Error codes of a server that can recover by itself."""


def check_wait(name: str, value: float) -> None:
    """Check for a number of seconds that Redis can take as milliseconds."""
    check_seconds(name, value, _LONGEST)


def check_prefix(prefix: str) -> str:
    """Return the beginning of the keys, or raise :class:`InvalidRequestError`."""
    check_text("prefix", prefix)
    if "{" in prefix:
        raise InvalidRequestError("prefix", "must not have a brace, which says where a cluster keeps keys")
    return prefix


class Script:
    """A Lua script of this package, which the server caches by hash."""

    def __init__(self, name: str) -> None:
        self.text: str = files("emay_voice_async.redis").joinpath(name).read_text("utf-8")
        self.sha: str = hashlib.sha1(self.text.encode()).hexdigest()  # noqa: S324 - the protocol's


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
            found = type(client_or_url).__name__
            raise InvalidRequestError("client_or_url", "must be a redis.asyncio client or a URL", None, found)

    async def run(self, script: Script, keys: Sequence[str], *arguments: str | int) -> Any:
        """Run a script and return the result; raises the errors of :meth:`command`."""
        rest = (len(keys), *keys, *arguments)
        try:
            return await self.command("EVALSHA", script.sha, *rest)
        except redis.exceptions.NoScriptError:
            return await self.command("EVAL", script.text, *rest)

    async def command(self, *words: str | int) -> Any:
        """Run a command and return the response.

        Raises :class:`UnavailableError` if a retry may succeed: the command may have run, or the
        server cannot run commands for now. Other errors of the client library are permanent.
        """
        try:
            async with asyncio.timeout(self.timeout):
                return await self._client.execute_command(*words)
        except (*_TRANSIENT, redis.exceptions.ResponseError) as error:
            if _is_permanent(error):
                raise
            raise UnavailableError(f"{type(error).__name__} {error}".rstrip()) from error

    async def aclose(self) -> None:
        """Close a client that was made from a URL."""
        if self._own:
            await self._client.aclose()


def _from_url(url: str, timeout: float) -> redis.asyncio.Redis:
    try:
        # Retries are decided here, not in the library.
        return redis.asyncio.Redis.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0)
        )
    except ValueError:
        # Without the cause: that text may contain the password.
        rule = "must be a URL such as redis://host:6379/0, rediss://... or unix://..."
        raise InvalidRequestError("client_or_url", rule) from None


def _is_permanent(error: Exception) -> bool:
    if isinstance(error, _TRANSIENT):
        return isinstance(error, _PERMANENT)
    return not str(error).startswith(_TRANSIENT_CODES)
