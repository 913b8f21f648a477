"""A journal in an SQL database, for senders on many machines: ``pip install "emay_voice_async[sql]"``."""

try:
    import sqlalchemy  # noqa: F401
except ModuleNotFoundError as _error:
    raise ImportError(
        f'a journal in an SQL database needs {_error.name}: pip install "emay_voice_async[sql]",'
        ' or in a clone of the repository pip install ".[sql]"',
        name=_error.name,
    ) from _error

from emay_voice_async.sql.journal import SqlJournal
from emay_voice_async.sql.tables import metadata

__all__ = ["SqlJournal", "metadata"]
