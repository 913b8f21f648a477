"""The page of a campaign."""

import asyncio
import re
from decimal import Decimal
from pathlib import Path

import pytest
from cli.watch.campaign import written
from playwright.async_api import expect

from browser.browsing import Open, barriers
from emay_voice_async.cli.watch.app import WatchApp
from emay_voice_async.cli.watch.view import Watched
from emay_voice_async.cli.watch.watcher import Watcher
from emay_voice_async.journal.protocol import State
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.sandbox.server import serve
from emay_voice_async.testing.journal.values import PURPOSE, keys, settled


def watched(journal: SqliteJournal, token: str | None = None) -> tuple[Watcher, WatchApp]:
    """Make a page of a journal."""
    watcher = Watcher(journal)
    about = Watched(name="run.db", total=10, price=Decimal("0.1"), texts=["<b>您的快递已到</b>"])
    return watcher, WatchApp(watcher, about, allowed_hosts=["localhost"], token=token)


class TestWatch:
    """A campaign that is watched."""

    def test_while_it_runs(self, open_browser: Open, tmp_path: Path) -> None:
        """The page shows a campaign, and what is added while it is open."""

        async def main() -> None:
            writer = SqliteJournal(tmp_path / "run.db")
            await written(writer)
            async with SqliteJournal(tmp_path / "run.db") as journal:
                watcher, app = watched(journal)
                reading = asyncio.ensure_future(watcher.run())
                async with serve(app) as url, open_browser(url) as page:
                    await expect(page.locator("#progress-text")).to_have_text(
                        re.compile("7 of 10 numbers, 70.0 %")
                    )
                    await expect(page.locator("#texts")).to_have_text("<b>您的快递已到</b>")
                    await expect(page.locator("#keys li")).to_contain_text("Key 1", timeout=15_000)
                    await expect(page.locator("#failures")).to_contain_text("138****0006")
                    assert "13800000006" not in await page.content()
                    run = await writer.start(PURPOSE)
                    await settled(run, keys(50, 51), State.ACCEPTED)
                    await expect(page.locator("#progress-text")).to_have_text(
                        re.compile("9 of 10 numbers, 90.0 %"), timeout=15_000
                    )
                    await run.end()
                reading.cancel()
                await asyncio.wait([reading])

        asyncio.run(main())

    def test_the_token(self, open_browser: Open, tmp_path: Path) -> None:
        """Without its token the page shows nothing of the campaign and says why; with it, it shows the campaign."""

        async def main() -> None:
            await written(SqliteJournal(tmp_path / "run.db"))
            async with SqliteJournal(tmp_path / "run.db") as journal:
                watcher, app = watched(journal, "secret")
                await watcher.count()
                async with serve(app) as url:
                    async with open_browser(url) as page:
                        await expect(page.locator("#connection")).to_have_text("The address needs its token")
                        assert await page.locator("#progress-text").inner_text() == ""
                    async with open_browser(f"{url}/?token=secret") as page:
                        await expect(page.locator("#progress-text")).to_contain_text("7 of 10")

        asyncio.run(main())

    @pytest.mark.parametrize(
        ("width", "scheme", "locale"), [(390, "dark", "zh-CN"), (1440, "light", "en-GB")]
    )
    def test_looks(
        self, open_browser: Open, axe: str, tmp_path: Path, width: int, scheme: str, locale: str
    ) -> None:
        """In both languages and at two widths axe finds no violation, and nothing is wider than the window."""

        async def main() -> None:
            await written(SqliteJournal(tmp_path / "run.db"))
            async with SqliteJournal(tmp_path / "run.db") as journal:
                watcher, app = watched(journal)
                await watcher.count()
                await watcher.read_details()
                async with (
                    serve(app) as url,
                    open_browser(url, width=width, scheme=scheme, locale=locale) as page,
                ):
                    await expect(page.locator("#failures li")).to_have_count(5)
                    title = "语音任务" if locale == "zh-CN" else "Voice campaign"
                    await expect(page).to_have_title(title)
                    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
                    assert await barriers(page, axe) == []

        asyncio.run(main())
