"""Status reports: nothing that arrived is ever dropped."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from scripted import Script, answers, fields_of
from virtual_time import run

from emay_voice_async import (
    AnswerError,
    AsyncEmayVoice,
    InvalidRequestError,
    OutcomeUnknownError,
    Product,
    Report,
)


def page(*ids: str, product: Product = Product.VOICE) -> dict[str, object]:
    """Make the answer to a getReport with these message ids."""
    return {"code": "SUCCESS", "data": [{f"{product.value}Id": one, "state": "SUCCESS"} for one in ids]}


def with_voice(script: Script, main: Callable[[AsyncEmayVoice], Awaitable[Any]]) -> Any:
    """Run ``main`` with a client over the script, in virtual time."""

    async def living() -> Any:
        async with (
            script.client() as client,
            AsyncEmayVoice("http://service", app_id="a", secret_key="s", http_client=client) as voice,
        ):
            return await main(voice)

    return run(living())


def ids(reports: list[Report] | tuple[Report, ...]) -> list[str]:
    """List the message ids of reports."""
    return [report.message_id for report in reports]


class TestTake:
    """``take_reports``."""

    @pytest.mark.parametrize("product", list(Product))
    def test_what_one_answer_brings(self, product: Product) -> None:
        """The reports of one getReport of the product that was asked for, in the order in which they came."""
        script = Script(answers(page("1", "2", "3", product=product)))
        reports = with_voice(script, lambda voice: voice.take_reports(3, product=product))
        assert ids(reports) == ["1", "2", "3"]
        assert {report.product for report in reports} == {product}
        [request] = script.requests
        assert request.url.path == f"/{product.value}/getReport"
        assert fields_of(request)["number"] == "3"

    def test_none(self) -> None:
        """No reports at this moment: an empty list."""
        assert with_voice(Script(answers(page())), lambda voice: voice.take_reports()) == []

    @pytest.mark.parametrize("number", [0, -1, 1001, 1.5, True, "200", None])
    def test_a_number_outside(self, number: Any) -> None:
        """A number outside 1 to 1000 is refused before anything is asked."""
        script = Script(answers(page()))
        with pytest.raises(InvalidRequestError) as caught:
            with_voice(script, lambda voice: voice.take_reports(number))
        assert caught.value.field == "number"
        assert "1 to 1000" in str(caught.value)
        assert not script.requests

    def test_more_than_asked_for(self) -> None:
        """Should the service hand out more than was asked for, the rest is kept for the next call."""
        script = Script(answers(page("1", "2", "3")))

        async def main(voice: AsyncEmayVoice) -> None:
            assert ids(await voice.take_reports(2)) == ["1", "2"]
            assert ids(voice.undelivered_reports) == ["3"]
            assert ids(await voice.take_reports(2)) == ["3"]
            assert len(script.requests) == 1

        with_voice(script, main)

    def test_a_broken_one_does_not_take_its_neighbours_along(self) -> None:
        """What cannot be read is kept apart with the reason; the others come out."""
        document = page("1", "2", "3")
        document["data"][1]["voiceSign"] = "not base64!"  # type: ignore[index]

        async def main(voice: AsyncEmayVoice) -> None:
            assert ids(await voice.take_reports()) == ["1", "3"]
            [(raw, reason)] = voice.broken_reports
            assert raw["voiceId"] == "2"
            assert reason

        with_voice(Script(answers(document)), main)

    def test_cancelled_after_the_service_removed_them(self) -> None:
        """Reports whose taker was cancelled are there for the next one, before any new ones."""
        script = Script(answers(page("1", "2"), after=2), answers(page("3")))

        async def main(voice: AsyncEmayVoice) -> None:
            task = asyncio.ensure_future(voice.take_reports())
            await asyncio.sleep(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(2)
            assert ids(voice.undelivered_reports) == ["1", "2"]
            assert ids(await voice.take_reports()) == ["1", "2"]
            assert voice.undelivered_reports == ()

        with_voice(script, main)

    def test_late_reports_after_closing(self) -> None:
        """Closing waits for an answer under way; its reports can still be had."""

        async def main() -> Any:
            script = Script(answers(page("1"), after=40))
            async with script.client() as client:
                voice = AsyncEmayVoice("http://service", app_id="a", secret_key="s", http_client=client)
                async with voice:
                    with pytest.raises(OutcomeUnknownError):
                        await voice.take_reports()
                return voice.undelivered_reports

        assert ids(run(main())) == ["1"]

    def test_an_unreadable_answer_is_kept_whole(self) -> None:
        """An answer that cannot be read is in the error: the reports in it are nowhere else."""
        with pytest.raises(AnswerError) as caught:
            with_voice(Script(answers(b'{"code":"SUCCESS","data":[{')), lambda voice: voice.take_reports())
        assert caught.value.body == b'{"code":"SUCCESS","data":[{'
