"""The journal that an argument names: a file, or the campaign of a database."""

from pathlib import Path
from typing import Final

from emay_voice_async.cli.terminal.exit_codes import CommandError
from emay_voice_async.cli.terminal.language import gettext
from emay_voice_async.journal.protocol import Journal
from emay_voice_async.journal.sqlite import SqliteJournal

__all__ = ["journal_at"]

_URL: Final = "://"


def journal_at(place: str, campaign: str | None) -> tuple[Journal, str]:
    """Return a journal and its name for people, which has no password: the path, or the name of the campaign."""
    if _URL not in place:
        if campaign is not None:
            raise CommandError(gettext("--campaign is for the URL of a database"))
        return SqliteJournal(Path(place)), place
    if campaign is None:
        raise CommandError(gettext("a database has a journal for each campaign: name one with --campaign"))
    from emay_voice_async.sql import SqlJournal  # noqa: PLC0415 - an extra

    return SqlJournal(place, campaign), campaign
