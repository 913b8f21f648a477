"""What the calls of a journal said: given by options, and compared with the journal, which keeps no text."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from emay_voice_async.cli.terminal.exit_codes import CommandError
from emay_voice_async.cli.terminal.language import gettext
from emay_voice_async.errors import InvalidRequestError, JournalError
from emay_voice_async.journal.protocol import Journal, Summary
from emay_voice_async.journal.purpose import Purpose
from emay_voice_async.model.messages import Marketing, Notice
from emay_voice_async.model.templates import Template

__all__ = ["check_texts", "read_content"]

_KINDS: Final[dict[str, type[Notice | Marketing]]] = {kind.__name__: kind for kind in (Notice, Marketing)}


def read_content(text: str | None, file: Path | None) -> str | None:
    """Return the text of one of two options."""
    if text is not None and file is not None:
        raise CommandError(
            gettext("give either {option} or {other}", option="--content", other="--content-file")
        )
    if file is None:
        return text
    try:
        return file.read_text("utf-8-sig").strip()
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror or error}") from None
    except UnicodeError:
        raise CommandError(f"{file}: {gettext('must be text in UTF-8')}") from None


async def check_texts(journal: Journal, content: str, **others: Any) -> None:
    """Raise :class:`CommandError` unless the calls of the journal said these texts; ``others`` as in a message.

    A voice SMS is not compared: its other settings belong to the message, too.
    """
    summary = await journal.summary()
    if summary.kind not in _KINDS:
        return
    for purpose in _purposes(summary, content, others):
        try:
            run = await journal.start(purpose, dry=True)
        except JournalError:
            continue
        await run.end()
        return
    raise CommandError(gettext("the calls of this journal said another text than --content"))


def _purposes(summary: Summary, content: str, others: dict[str, Any]) -> Iterator[Purpose]:
    """Yield the purposes that the texts may stand for: a message, and a template."""
    kind = _KINDS[summary.kind]
    makers: tuple[Callable[..., Any], ...] = (
        partial(kind, content, **others),
        partial(Template, kind, content, **others),
    )
    for make in makers:
        try:
            message = make()
        except InvalidRequestError:
            continue
        yield Purpose(summary.app_id, message, summary.allow_duplicates)
