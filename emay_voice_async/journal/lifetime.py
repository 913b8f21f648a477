"""Reference counting of the file or the connections that a journal keeps open."""

from types import TracebackType
from typing import Generic, Self, TypeVar

__all__ = ["ReferenceCounted", "ResourceUser"]


class ReferenceCounted:
    """A resource with a count of users, closed when the last user leaves.

    Runs, ``async with`` blocks and single calls are users. Subclasses implement :meth:`aclose`.
    """

    def __init__(self) -> None:
        self._users = 0

    async def aclose(self) -> None:
        """Close the resource; the next use opens the resource again."""
        raise NotImplementedError

    def acquire(self) -> None:
        """Add a user."""
        self._users += 1

    async def release(self) -> None:
        """Remove a user; close the resource after the last user."""
        self._users -= 1
        if not self._users:
            await self.aclose()

    async def __aenter__(self) -> Self:
        self.acquire()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.release()


_Resource = TypeVar("_Resource", bound=ReferenceCounted)


class ResourceUser(Generic[_Resource]):
    """A journal on a resource: ``async with`` keeps the resource open."""

    def __init__(self, resource: _Resource) -> None:
        self._resource = resource

    async def aclose(self) -> None:
        """Close the file or the connections after all work that was begun; the journal can be used again afterwards."""
        await self._resource.aclose()

    async def __aenter__(self) -> Self:
        self._resource.acquire()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._resource.release()
