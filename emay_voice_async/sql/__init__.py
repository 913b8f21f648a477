"""A journal in an SQL database, for senders on many machines: ``pip install "emay_voice_async[sql]"``."""

try:
    import sqlalchemy  # noqa: F401
except ModuleNotFoundError as error:
    raise ImportError(
        f'a journal in an SQL database needs {error.name}: pip install "emay_voice_async[sql]",'
        ' or in a clone of the repository pip install ".[sql]"',
        name=error.name,
    ) from error

from emay_voice_async.sql.journal import SqlJournal
from emay_voice_async.sql.tables import metadata

__all__ = ["SqlJournal", "metadata"]
