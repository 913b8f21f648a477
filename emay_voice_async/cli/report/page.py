"""The page of a campaign: one file of HTML that loads no other file, in the language of the terminal."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from emay_voice_async.cli.report.results import CampaignResults
from emay_voice_async.model.extras import missing_extra

try:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from emay_voice_async.cli.report.contents import PageContent, page_of
    from emay_voice_async.cli.report.pictures import COLORS
except ModuleNotFoundError as _error:
    raise ImportError(missing_extra(_error.name, "report"), name=_error.name) from _error

__all__ = ["campaign_page"]

_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
)


def campaign_page(
    results: CampaignResults,
    *,
    made_at: datetime,
    texts: Sequence[tuple[str, str]] = (),
    show_numbers: bool = False,
) -> str:
    """Return the page as text of HTML, in the language of :func:`~emay_voice_async.cli.terminal.language.using`.

    ``made_at`` is the aware instant at which the page is made. ``texts``: what was said, as pairs of a name and a text.
    Numbers of the list of notable calls are masked unless ``show_numbers``. The page has no script and no address; its
    content security policy forbids both. Its length is bounded: it grows neither with the calls nor with their texts.
    """
    page: PageContent = page_of(results, made_at=made_at, texts=texts, show_numbers=show_numbers)
    return _TEMPLATES.get_template("page.html").render(page=page, colors=COLORS)
