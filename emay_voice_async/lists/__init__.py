"""Recipients from files: text, CSV, JSON lines and workbooks.

:func:`read_recipients` gives an :class:`Entry` for each row, good or bad; :func:`recipients_of` turns
the entries into recipients to send to. :func:`normalised` reads a number as people write numbers.
"""

from emay_voice_async.lists.reading import FORMATS, Entries, Entry, Recipients, read_recipients, recipients_of
from emay_voice_async.model.numbers import normalised

__all__ = ["FORMATS", "Entries", "Entry", "Recipients", "normalised", "read_recipients", "recipients_of"]
