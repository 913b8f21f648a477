"""Scripts run on a Redis server, and what its client library raises: the only module that knows it."""

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
from emay_voice_async.redis.backoff import OutageError

__all__ = ["Client", "Connection", "Script", "check_prefix", "check_wait"]

Client = redis.asyncio.Redis | redis.asyncio.RedisCluster

_PASSING: Final = (
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
_LASTING: Final = (redis.exceptions.AuthenticationError, redis.exceptions.AuthorizationError)
_PASSING_CODES: Final = ("BUSY", "MISCONF", "NOREPLICAS", "LOADING", "READONLY", "MASTERDOWN", "OOM")
"""Answers of a server that is well again some time later."""


def check_wait(name: str, value: float) -> None:
    """Check for a number of seconds that Redis can take as milliseconds."""
    check_seconds(name, value, _LONGEST)


def check_prefix(prefix: str) -> str:
    """Return what keys are to begin with, or raise :class:`InvalidRequestError`."""
    check_text("prefix", prefix)
    if "{" in prefix:
        raise InvalidRequestError("prefix", "must not have a brace, which says where a cluster keeps keys")
    return prefix


class Script:
    """A script of this package, which the server keeps by its hash."""

    def __init__(self, name: str) -> None:
        self.text = files("emay_voice_async.redis").joinpath(name).read_text("utf-8")
        self.sha = hashlib.sha1(self.text.encode()).hexdigest()  # noqa: S324 - the protocol's


class Connection:
    """A client of the user's, never closed here, or one made from a URL; each command is bounded."""

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
        """Run a script and return what it returns; raises what :meth:`command` does."""
        rest = (len(keys), *keys, *arguments)
        try:
            return await self.command("EVALSHA", script.sha, *rest)
        except redis.exceptions.NoScriptError:
            return await self.command("EVAL", script.text, *rest)

    async def command(self, *words: str | int) -> Any:
        """Run one command and return the answer.

        Raises :class:`OutageError` when nobody knows whether it ran, or it could not run for now;
        what else the client library raises will not pass by itself.
        """
        try:
            async with asyncio.timeout(self.timeout):
                return await self._client.execute_command(*words)
        except (*_PASSING, redis.exceptions.ResponseError) as error:
            if _is_lasting(error):
                raise
            raise OutageError(f"{type(error).__name__} {error}".rstrip()) from error

    async def aclose(self) -> None:
        """Close the client if it is our own."""
        if self._own:
            await self._client.aclose()


def _from_url(url: str, timeout: float) -> redis.asyncio.Redis:
    try:
        # What is repeated, and when, is decided here and not in the library.
        return redis.asyncio.Redis.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0)
        )
    except ValueError:
        # Without the cause, whose text may have the password.
        rule = "must be a URL such as redis://host:6379/0, rediss://... or unix://..."
        raise InvalidRequestError("client_or_url", rule) from None


def _is_lasting(error: Exception) -> bool:
    if isinstance(error, _PASSING):
        return isinstance(error, _LASTING)
    return not str(error).startswith(_PASSING_CODES)
