"""The page of a campaign: one file of HTML."""

import importlib
import sys
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from emay_voice_async.cli.report.page import campaign_page
from emay_voice_async.cli.report.results import CampaignResults, CampaignTally, Quarter
from emay_voice_async.cli.terminal.language import using
from emay_voice_async.journal.protocol import Line, State, Summary
from emay_voice_async.model.beijing import BEIJING

BEGUN = datetime(2026, 3, 2, 9, tzinfo=BEIJING)
MADE = datetime(2026, 3, 2, 12, tzinfo=UTC)
LOADING = {"src", "href", "srcset", "action", "data", "poster", "background", "xlink:href"}
HOSTILE = '</title><script src="//evil.example/x.js">"\'&\x1b[31m\u202e' * 40


class Elements(HTMLParser):
    """Collects the elements and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Add an element."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Add text."""
        self.text += data


def tallied(
    reason: str = "ERROR_CONTENT_EMPTY", description: str = "busy", key: str = "1"
) -> CampaignResults:
    """Count one call of each kind."""
    tally = CampaignTally()
    later = BEGUN + timedelta(seconds=30)
    for number, state in enumerate(State):
        tally.add(Line(f"1380000000{number}", "id", "m", state, reason, BEGUN))
    tally.add(Line("13900000001", "id", "m", State.ACCEPTED, "", BEGUN, "SUCCESS", "", later, 61.0, key))
    for raw in ("FAIL_CALL", "unheard of"):
        tally.add(Line("13900000002", "id", "m", State.ACCEPTED, "", BEGUN, raw, description, later))
    return tally.results(Summary("app-1", "Notice", False, BEGUN, {}, {}))


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its libraries, the module says how to install them."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "emay_voice_async.cli.report.page")
    with pytest.raises(ImportError, match=r"jinja2 is missing: .*\[report\]"):
        importlib.import_module("emay_voice_async.cli.report.page")


class TestPage:
    """What the page says, and what it must not contain."""

    @pytest.mark.parametrize(
        ("language", "words"),
        [
            ("en", ["Results of a voice campaign", "Answered", "busy", "33.3% of the calls with a report"]),
            ("zh", ["呼叫失败", "busy"]),
        ],
    )
    def test_content(self, language: str, words: list[str]) -> None:
        """The page has the numbers, the reasons, the keys and what was said, in the chosen language."""
        with using(language):
            page = campaign_page(tallied(), made_at=MADE, texts=[("Content", "您好\n再见")])
        text = Elements(page).text
        for word in [*words, "您好\n再见", "app-1", "1: 1", "2026-03-02", "20:00"]:
            assert word in text
        assert f'<html lang="{"zh-CN" if language == "zh" else "en"}">' in page

    def test_nothing_from_outside(self) -> None:
        """The page has no script, no form, no link, no address, and a policy that forbids them."""
        with using("en"):
            found = Elements(page := campaign_page(tallied(), made_at=MADE))
        tags = {tag for tag, _ in found.tags}
        assert not tags & {"script", "link", "iframe", "img", "object", "embed", "form", "base", "a", "image"}
        names = {name for _, attributes in found.tags for name in attributes}
        assert not names & LOADING
        assert not [name for name in names if name.startswith("on")]
        for forbidden in ("http:", "https:", "//", "url(", "@import", "javascript:"):
            assert forbidden not in page
        policy = next(
            attributes["content"]
            for tag, attributes in found.tags
            if attributes.get("http-equiv") == "Content-Security-Policy"
        )
        assert policy == "default-src 'none'; style-src 'unsafe-inline'"

    def test_escaped(self) -> None:
        """Foreign text is text, with its control characters visible, and cut if it is long."""
        results = tallied(HOSTILE, HOSTILE, HOSTILE)
        with using("en"):
            page = campaign_page(results, made_at=MADE, texts=[(HOSTILE, HOSTILE * 99)])
        assert "<script" not in page
        assert not set("\x1b\u202e") & set(page)
        assert len(page) < 100_000

    def test_numbers(self) -> None:
        """Numbers are masked unless asked for."""
        with using("en"):
            masked = campaign_page(tallied(), made_at=MADE)
            shown = campaign_page(tallied(), made_at=MADE, show_numbers=True)
        assert "13900000002" not in masked
        assert "139****0002" in masked
        assert "13900000002" in shown

    def test_little(self) -> None:
        """A campaign without any call, or without reports, has a page."""
        with using("en"):
            empty = campaign_page(CampaignResults("Other", "app", BEGUN), made_at=MADE)
            assert "begun on 2026-03-02 at 09:00" in Elements(empty).text
            tally = CampaignTally()
            tally.add(Line("13800000000", "id", "m", State.ACCEPTED, "", BEGUN))
            page = campaign_page(tally.results(Summary("app", "Notice", False, BEGUN, {}, {})), made_at=MADE)
        assert "with a report" not in page

    @pytest.mark.parametrize(
        ("hours", "title"),
        [
            (0.25, "Calls per quarter of an hour"),
            (1, "Calls per hour"),
            (4, "Calls per 4 hours"),
            (24, "Calls per day"),
            (24 * 7, "Calls per 7 days"),
        ],
    )
    def test_spans(self, hours: float, title: str) -> None:
        """A longer campaign has longer spans of time, and pauses are explained."""
        quarters = {BEGUN + timedelta(hours=hours) * number: Quarter(number) for number in range(90)}
        results = CampaignResults("Notice", "app", BEGUN, quarters=quarters)
        with using("en"):
            assert title in campaign_page(results, made_at=MADE)
            pause = {BEGUN: Quarter(1), BEGUN + timedelta(hours=9): Quarter(1)}
            page = campaign_page(CampaignResults("Notice", "app", BEGUN, quarters=pause), made_at=MADE)
        assert "… is a pause without calls." in page

    def test_many_reasons(self) -> None:
        """Of many reasons and keys the most frequent are shown, and the number of the others."""
        tally = CampaignTally()
        for number in range(300):
            report = "FAIL_CALL", f"reason {number}", BEGUN, 1.0, f"{number}"
            tally.add(Line("13900000002", "id", "m", State.ACCEPTED, "", BEGUN, *report))
            tally.add(Line("13900000002", "id", "", State.REFUSED, f"reason {number}", BEGUN))
        results = tally.results(Summary("app-1", "Notice", False, BEGUN, {}, {}))
        with using("en"):
            page = campaign_page(results, made_at=MADE)
        assert page.count("and 181 more") == 3
        assert len(page) < 200_000
