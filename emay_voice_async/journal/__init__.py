"""The journal of a campaign: the outcome of each call, kept across runs.

``SqliteJournal`` is imported at the first use, so that a client without a journal does not import SQLite.
"""

import importlib as _importlib
import typing as _typing

from emay_voice_async.journal.protocol import Claim, Journal, JournalRun, Key, Line, Standing, State, Summary
from emay_voice_async.journal.purpose import Purpose, StoredPurpose

if _typing.TYPE_CHECKING:
    from emay_voice_async.journal.sqlite import SqliteJournal

__all__ = [
    "Claim",
    "Journal",
    "JournalRun",
    "Key",
    "Line",
    "Purpose",
    "SqliteJournal",
    "Standing",
    "State",
    "StoredPurpose",
    "Summary",
]


def __getattr__(name: str) -> _typing.Any:
    """Import ``SqliteJournal`` at the first use."""
    if name != "SqliteJournal":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = _importlib.import_module("emay_voice_async.journal.sqlite").SqliteJournal
    globals()[name] = value
    return value
