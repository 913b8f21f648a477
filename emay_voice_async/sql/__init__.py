"""A journal in an SQL database, for senders on many machines: ``pip install "emay_voice_async[sql]"``."""

from emay_voice_async.model.extras import missing_extra

try:
    import sqlalchemy  # noqa: F401
except ModuleNotFoundError as _error:
    raise ImportError(missing_extra(_error.name, "sql"), name=_error.name) from _error

from emay_voice_async.sql.journal import SqlJournal
from emay_voice_async.sql.tables import metadata

__all__ = ["SqlJournal", "metadata"]
