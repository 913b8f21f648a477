"""The page of the local service."""

import asyncio
import re
from contextlib import AsyncExitStack
from decimal import Decimal

import httpx
import pytest
from fastapi import FastAPI
from playwright.async_api import expect

from browser.browsing import Open, barriers
from emay_voice_async import AsyncEmayVoice, Marketing, Notice, OnKey, RefusedError, Report, VoiceSms
from emay_voice_async.receiver import PushReceiver
from emay_voice_async.sandbox import Fault, Sandbox
from emay_voice_async.sandbox.server import serve


def client(local: Sandbox, url: str) -> AsyncEmayVoice:
    """Make a client of a local service."""
    return AsyncEmayVoice(url, app_id=local.app_id, secret_key=local.secret_key)


async def fill_up(local: Sandbox, voice: AsyncEmayVoice) -> None:
    """Make calls of every kind and phase, refusals, and a planned fault."""
    await voice.send(Notice("您的快递已到。"), ["13800001234", "13800005678"])
    await voice.send(VoiceSms("账单已出。", trigger=OnKey("1"), sms_content="见附件"), "13900000011")
    [ticket] = (await voice.send(Marketing("<script>alert(1)</script>"), "13900000013")).tickets
    local.decide(ticket.message_id, key="1", report_in=0)
    local.fail_next(Fault.code("ERROR_SIGN"), on="balance")
    with pytest.raises(RefusedError):
        await voice.get_balance()
    local.fail_next(Fault.reset(acts=True), on="send", times=None)


class TestCalls:
    """Calls as they ring."""

    def test_a_key_is_pressed(self, open_browser: Open) -> None:
        """A campaign of the code rings on the page; the key pressed there is in the report that the code awaits."""

        async def main() -> Report:
            local = Sandbox(report_delay=600)
            async with (
                local.serve() as url,
                client(local, url) as voice,
                open_browser(f"{url}/_sandbox/") as page,
            ):
                await expect(page.locator("#no-calls")).to_be_visible()
                [ticket] = (await voice.send(Notice("您的快递已到，请按1。"), "13800001234")).tickets
                row = page.locator("li.call")
                await expect(row).to_contain_text("13800001234")
                await expect(row).to_contain_text("您的快递已到，请按1。")
                await expect(row).to_contain_text(ticket.custom_id)
                await expect(row).to_contain_text("Ringing")
                waiting = asyncio.ensure_future(voice.wait_for_report(ticket, timeout=30))
                await row.get_by_role("button", name="Press 7").click()
                report = await waiting
                await expect(row).to_contain_text("answered, pressed 7, report taken")
            return report

        report = asyncio.run(main())
        assert (report.key_pressed, report.succeeded) == ("7", True)

    def test_the_keyboard(self, open_browser: Open) -> None:
        """Calls are chosen and decided with the keyboard alone, and the focus stays at the row."""

        async def main() -> list[tuple[str, str | None, float | None]]:
            local = Sandbox(report_delay=600)
            async with (
                local.serve() as url,
                client(local, url) as voice,
                open_browser(f"{url}/_sandbox/") as page,
            ):
                await voice.send(Notice("hello"), [f"1380000{number}" for number in range(1000, 1005)])
                await expect(page.locator("li.call")).to_have_count(5)
                await page.locator("li.call").first.focus()
                for key in ("3", "ArrowDown", "a", "ArrowDown", "h", "ArrowDown", "u", "ArrowDown", "Enter"):
                    await page.keyboard.press(key)
                await expect(page.locator("li.call .badge", has_text="report ready")).to_have_count(5)
                focused = await page.evaluate("document.activeElement.getAttribute('aria-label')")
                assert focused == "Call to 13800001000"
                return [
                    (one.state, one.key, one.duration)
                    for one in (call.result.outcome for call in reversed(local.calls))
                    if one is not None
                ]

        assert asyncio.run(main()) == [
            ("SUCCESS", "3", 68.02),
            ("SUCCESS", None, 68.02),
            ("SUCCESS", None, 1.0),
            ("FAIL_CALL", None, 0.0),
            ("SUCCESS", None, 68.02),
        ]

    def test_texts_are_texts(self, open_browser: Open) -> None:
        """Markup in a text, a custom id or a form field is shown as text, and runs nowhere."""
        attack = "<img src=x onerror=alert(1)><script>alert(2)</script>"

        async def main() -> None:
            local = Sandbox(report_delay=600)
            async with (
                local.serve() as url,
                client(local, url) as voice,
                open_browser(f"{url}/_sandbox/") as page,
            ):
                page.on("dialog", lambda dialog: pytest.fail(dialog.message))
                await voice.send(Marketing(attack), "13800001234")
                await expect(page.locator("li.call .heard")).to_have_text(attack)
                await page.locator("li.request summary").click()
                await expect(page.locator("li.request td").filter(has_text="onerror")).to_have_text(attack)
                assert await page.locator("main img, main script").count() == 0

        asyncio.run(main())

    @pytest.mark.parametrize("show", [True, False])
    def test_numbers(self, open_browser: Open, show: bool) -> None:
        """Numbers are masked everywhere on the page, unless they may be shown."""

        async def main() -> str:
            local = Sandbox(report_delay=600, show_numbers=show)
            async with (
                local.serve() as url,
                client(local, url) as voice,
                open_browser(f"{url}/_sandbox/") as page,
            ):
                await voice.send(Notice("hello"), ["13800001234", "13800005678"])
                await page.locator("li.request summary").click()
                await expect(page.locator("li.call")).to_have_count(2)
                return await page.locator("body").inner_html()

        html = asyncio.run(main())
        assert ("13800001234" in html) is ("13800005678" in html) is show
        assert ("138****1234" in html) is not show


class TestForms:
    """Faults, pushes and settings."""

    def test_a_fault(self, open_browser: Open) -> None:
        """A fault planned on the page meets the next request of the client; its code is explained in both languages."""

        async def main() -> None:
            local = Sandbox()
            async with (
                local.serve() as url,
                client(local, url) as voice,
                open_browser(f"{url}/_sandbox/") as page,
            ):
                await page.locator("[name=on]").select_option("balance")
                await page.locator("[name=kind]").select_option("code")
                await page.locator("[name=code]").fill("ERROR_CLIENT_IP")
                await page.get_by_role("button", name="Plan the fault").click()
                await expect(page.locator("#planned li")).to_contain_text("code ERROR_CLIENT_IP")
                with pytest.raises(RefusedError, match="ERROR_CLIENT_IP"):
                    await voice.get_balance()
                request = page.locator("li.request")
                await expect(request).to_contain_text("client address not allowed · 不识别的 Ip")
                await expect(request).to_contain_text("Fault: code ERROR_CLIENT_IP")
                await expect(page.locator("#planned li")).to_have_count(0)

        asyncio.run(main())

    def test_every_fault(self, open_browser: Open) -> None:
        """Each kind of fault can be planned, and all be dropped."""

        async def main() -> None:
            local = Sandbox()
            async with local.serve() as url, open_browser(f"{url}/_sandbox/") as page:
                kinds = page.locator("[name=kind]")
                values = await kinds.locator("option").evaluate_all("all => all.map(one => one.value)")
                for count, kind in enumerate(values, 1):
                    await kinds.select_option(kind)
                    await page.get_by_role("button", name="Plan the fault").click()
                    await expect(page.locator("#planned li")).to_have_count(count)
                assert len(local.faults) == len(values) == 11
                await page.get_by_role("button", name="Drop all faults").click()
                await expect(page.locator("#planned li")).to_have_count(0)

        asyncio.run(main())

    def test_a_push(self, open_browser: Open) -> None:
        """Reports are pushed to a FastAPI application; the page shows whether it confirmed."""

        async def main() -> list[Report]:
            received: list[Report] = []

            async def keep(reports: list[Report]) -> None:
                received.extend(reports)

            local, web = Sandbox(), FastAPI()
            web.mount("/emay", PushReceiver({local.app_id: local.secret_key}, keep))
            async with (
                local.serve() as url,
                serve(web) as target,
                client(local, url) as voice,
                open_browser(f"{url}/_sandbox/") as page,
            ):
                await voice.send(Notice("hello"), ["13800001234", "13900000010"])
                await page.get_by_label("URL of your receiver").fill(f"{target}/nothing")
                await page.get_by_role("button", name="Push now").click()
                said = page.locator("#push-form .said")
                await expect(said).to_have_text(
                    re.compile(r"2 reports: not confirmed \(HTTP 404.*They stay.")
                )
                await page.get_by_label("URL of your receiver").fill(f"{target}/emay/")
                await page.get_by_role("button", name="Push now").click()
                await expect(said).to_have_text("2 reports: confirmed.")
                await page.get_by_role("button", name="Push now").click()
                await expect(said).to_have_text("No report is ready.")
            return received

        assert [report.key_pressed for report in asyncio.run(main())] == [None, "1"]

    def test_settings(self, open_browser: Open) -> None:
        """Balance, delay and limit are changed; a wrong balance is refused and says why; a reset needs two presses."""

        async def main() -> None:
            local = Sandbox()
            async with local.serve() as url, open_browser(f"{url}/_sandbox/") as page:
                balance = page.get_by_label("Balance", exact=True)
                await expect(balance).to_have_value("10000")
                await balance.fill("-5")
                apply = page.get_by_role("button", name="Apply")
                await apply.click()
                await expect(page.locator("#settings-form .said")).to_contain_text(
                    "must be an amount of 0 or more"
                )
                await balance.fill("12.50")
                await page.get_by_label("Report after, s").fill("3")
                await page.get_by_label("Sends per second").fill("5")
                await apply.click()
                await expect(page.locator("#counts")).to_contain_text("12.5")
                assert (str(local.balance), local.report_delay) == ("12.50", 3.0)
                assert local.account.rate_limits.send is not None
                assert local.account.rate_limits.send.requests == 5
                await page.locator("#reset").click()
                await expect(page.locator("#reset")).to_have_text("Really? Press again")
                assert str(local.balance) == "12.50"
                await page.locator("#reset").click()
                await expect(balance).to_have_value("10000")
                assert local.report_delay == 0.0

        asyncio.run(main())

    def test_speed(self, open_browser: Open) -> None:
        """Refused requests are counted in the picture of the speed limit."""

        async def main() -> None:
            local = Sandbox()
            async with (
                local.serve() as url,
                open_browser(f"{url}/_sandbox/") as page,
                httpx.AsyncClient(base_url=url, trust_env=False) as http,
            ):
                await expect(page.locator("#connection")).to_have_text("Live")
                fields = {"appId": local.app_id, "sign": "x"}
                for _ in range(12):
                    await http.post("/voice/getBalance", data=fields)
                await expect(page.locator("#windows")).to_contain_text("2 refused")
                await expect(page.locator("#history svg")).to_have_attribute(
                    "aria-label", "Requests in the last minute: 12, refused as too fast: 2"
                )

        asyncio.run(main())


class TestLooks:
    """Languages, widths, themes, and barriers."""

    @pytest.mark.parametrize(
        ("locale", "title"), [("zh-CN", "本地语音服务"), ("en-GB", "Local voice service")]
    )
    def test_languages(self, open_browser: Open, locale: str, title: str) -> None:
        """The page speaks the language of the browser, and remembers another choice."""

        async def main() -> None:
            local = Sandbox()
            async with local.serve() as url, open_browser(f"{url}/_sandbox/", locale=locale) as page:
                await expect(page).to_have_title(title)
                await page.locator("#language").select_option("zh")
                await expect(page.get_by_role("heading", name="呼叫")).to_be_visible()
                await page.reload()
                await expect(page).to_have_title("本地语音服务")
                assert await page.locator("html").get_attribute("lang") == "zh-CN"
                await expect(page.locator("#connection")).to_have_text("实时")
                # What is left in English: the name of the language, units, and words without a Chinese form.
                text = await page.locator("main").inner_text()
                words = set(re.findall("[A-Za-z]{4,}", text)) - {
                    "ERROR",
                    "SIGN",
                    "HTTP",
                    "JSON",
                    "voice",
                    "send",
                    "join",
                }
                assert words <= {"getBalance", "getReport", "sendVFCode", "sendCTCode"}, words

        asyncio.run(main())

    @pytest.mark.parametrize("width", [360, 390, 820, 1440])
    def test_widths(self, open_browser: Open, width: int) -> None:
        """At no width the page is wider than the window, and on a phone the buttons are large enough for a finger."""

        async def main() -> None:
            local = Sandbox(report_delay=600)
            async with (
                local.serve() as url,
                client(local, url) as voice,
                open_browser(f"{url}/_sandbox/", width=width) as page,
            ):
                await fill_up(local, voice)
                await expect(page.locator("li.call")).to_have_count(4)
                assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
                if width < 400:
                    box = await page.locator("li.call button").first.bounding_box()
                    assert box is not None
                    assert box["height"] >= 44

        asyncio.run(main())

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [390, 1440])
    def test_barriers(self, open_browser: Open, axe: str, width: int, scheme: str) -> None:
        """Axe finds no violation, in light and dark, on a phone and a wide screen."""

        async def main() -> list[str]:
            local = Sandbox(report_delay=600)
            async with (
                local.serve() as url,
                client(local, url) as voice,
                open_browser(f"{url}/_sandbox/", width=width, scheme=scheme) as page,
            ):
                await fill_up(local, voice)
                await expect(page.locator("li.call")).to_have_count(4)
                await expect(page.locator("#connection")).to_have_text("Live")
                await page.locator("li.request summary").first.click()
                return await barriers(page, axe)

        assert asyncio.run(main()) == []

    def test_the_connection(self, open_browser: Open) -> None:
        """A page whose service is gone says so, and finds the service again when it is back."""

        async def main() -> None:
            local = Sandbox()
            async with AsyncExitStack() as stack:
                service = await stack.enter_async_context(AsyncExitStack())
                url = await service.enter_async_context(local.serve())
                page = await stack.enter_async_context(open_browser(f"{url}/_sandbox/"))
                connection = page.locator("#connection")
                await expect(connection).to_have_text("Live")
                await service.aclose()
                await expect(connection).to_have_text("Connection lost, trying again")
                local.balance = Decimal("1.5")
                await service.enter_async_context(local.serve(port=int(url.rpartition(":")[2])))
                await expect(connection).to_have_text("Live", timeout=15_000)
                await expect(page.locator("#counts")).to_contain_text("1.5")

        asyncio.run(main())
