"""A journal in an SQL database, for senders on many machines: ``pip install "emay_voice_async[sql]"``."""

from emay_voice_async.sql.journal import SqlJournal

__all__ = ["SqlJournal"]
