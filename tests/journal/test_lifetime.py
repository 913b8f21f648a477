"""Reference counting of the file or the connections that a journal keeps open."""

import asyncio

import pytest

from emay_voice_async.journal.lifetime import ReferenceCounted, ResourceUser


class Resource(ReferenceCounted):
    """A resource that counts how often it was closed."""

    closed = 0

    async def aclose(self) -> None:
        """Close the resource."""
        self.closed += 1


def test_the_last_user_closes() -> None:
    """Users of all kinds are counted together, and the last user closes the resource."""

    async def main() -> None:
        resource = Resource()
        first, second = ResourceUser(resource), ResourceUser(resource)
        async with first, second:
            async with resource:
                resource.acquire()
            await resource.release()
            assert resource.closed == 0
        assert resource.closed == 1
        await first.aclose()
        assert resource.closed == 2

    asyncio.run(main())


def test_an_error_inside_closes_as_well() -> None:
    """An exception in the block is raised after the resource was closed."""

    async def main() -> None:
        resource = Resource()
        with pytest.raises(LookupError):
            async with ResourceUser(resource):
                raise LookupError
        assert resource.closed == 1

    asyncio.run(main())


def test_a_resource_must_say_how_it_closes() -> None:
    """A resource without aclose is a mistake that is raised."""
    with pytest.raises(NotImplementedError):
        asyncio.run(ReferenceCounted().aclose())
