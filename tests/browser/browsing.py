"""Opening pages, and looking for barriers."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from playwright.async_api import Page

__all__ = ["Open", "barriers"]


class Open(Protocol):
    """Opens a page in a browser."""

    def __call__(
        self, url: str, *, width: int = 1280, height: int = 900, locale: str = "en-GB", scheme: str = "light"
    ) -> AbstractAsyncContextManager[Page]:
        """Open ``url`` in a window of this size; leave without a complaint of the browser."""


async def barriers(page: Page, axe: str) -> list[str]:
    """Return the rules of axe that the page violates, with the elements."""
    await page.evaluate(axe)
    found = await page.evaluate("axe.run().then((found) => found.violations)")
    return [f"{one['id']}: {[node['html'][:200] for node in one['nodes']]}" for one in found]
