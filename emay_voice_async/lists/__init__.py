"""Recipients from lists as people write them: text, CSV and JSON lines."""

from emay_voice_async.lists.reading import FORMATS, Entry, read_recipients, recipients_of

__all__ = ["FORMATS", "Entry", "read_recipients", "recipients_of"]
