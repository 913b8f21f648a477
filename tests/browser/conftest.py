"""The browser of these tests."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from browser.browsing import Open

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def executable() -> str:
    """Find Chromium; a machine without it cannot run these tests."""
    found = os.environ.get("EMAY_VOICE_TEST_CHROMIUM") or next(
        filter(None, map(shutil.which, CHROMIUM)), None
    )
    assert found, "these tests need Chromium: apt-get install chromium"
    return found


@pytest.fixture(scope="session")
def axe() -> str:
    """Read the script that finds what a screen reader, or a keyboard, cannot use."""
    path = os.environ.get("EMAY_VOICE_TEST_AXE")
    assert path, "EMAY_VOICE_TEST_AXE must be the path of axe.min.js: npm install axe-core"
    return Path(path).read_text("utf-8")


@pytest.fixture
def open_browser(executable: str) -> Open:
    """Open pages in a browser of their own, and check at the end that none complained."""

    @asynccontextmanager
    async def opened(
        url: str, *, width: int = 1280, height: int = 900, locale: str = "en-GB", scheme: str = "light"
    ) -> AsyncIterator[Page]:
        complaints: list[str] = []
        async with async_playwright() as driver:
            # Chromium cannot make its own sandbox for root, which tests in a container are.
            browser: Browser = await driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
            page = await browser.new_page(
                viewport={"width": width, "height": height},
                locale=locale,
                color_scheme="dark" if scheme == "dark" else "light",
            )
            page.set_default_timeout(20_000)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("console", lambda message: complaints.append(message.text))
            await page.goto(url)
            try:
                yield page
            finally:
                await browser.close()
        # A refused request is in the log of every browser.
        assert [text for text in complaints if not text.startswith("Failed to load resource")] == []

    return opened
