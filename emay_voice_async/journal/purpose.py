"""The purpose of a journal, and the check that a send has the same purpose."""

import secrets
from hashlib import blake2b

from attrs import frozen

from emay_voice_async.errors import JournalError
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.messages import Message
from emay_voice_async.model.results import Report
from emay_voice_async.model.templates import Template
from emay_voice_async.wire.forms import message_form, template_form

__all__ = ["Purpose", "StoredPurpose"]


@frozen
class Purpose:
    """The purpose of a journal: the account ``app_id``, the ``message`` or template, and ``allow_duplicates``.

    The texts of a template are those with placeholders: recipients may come with other fields in the next run.
    """

    app_id: str
    message: Message | Template
    allow_duplicates: bool = False

    @property
    def kind(self) -> str:
        """The class name of the message, such as "Notice"; of a template, of the messages that it makes."""
        kind = self.message.kind if isinstance(self.message, Template) else type(self.message)
        return kind.__name__

    @property
    def product(self) -> Product:
        """The product that getReport is asked for."""
        return self.message.endpoint.product

    def fingerprint(self, salt: bytes) -> str:
        """Return 32 hex digits that differ for another account or another message.

        ``salt``: up to 16 random bytes, stored beside the fingerprint, so that the text (a code, perhaps) cannot be
        looked up in a list of fingerprints.
        """
        form = (
            template_form(self.message) if isinstance(self.message, Template) else message_form(self.message)
        )
        text = f"{self.app_id}\n{self.message.endpoint.path}\n".encode() + form
        return blake2b(text, digest_size=16, salt=salt).hexdigest()


@frozen
class StoredPurpose:
    """The stored form of a purpose, without the message itself.

    ``app_id`` is the account, ``kind`` the class of the message, ``product`` its product. ``fingerprint`` is a digest
    of the message with the ``salt``. ``allow_duplicates`` is that of the sends.
    """

    app_id: str
    kind: str
    product: str
    salt: bytes
    fingerprint: str
    allow_duplicates: bool

    @classmethod
    def of(cls, purpose: Purpose) -> "StoredPurpose":
        """Return the stored form of a purpose, with a new salt."""
        salt = secrets.token_bytes(16)
        return cls(
            app_id=purpose.app_id,
            kind=purpose.kind,
            product=purpose.product.value,
            salt=salt,
            fingerprint=purpose.fingerprint(salt),
            allow_duplicates=purpose.allow_duplicates,
        )

    def check(self, purpose: Purpose) -> None:
        """Raise :class:`JournalError` if the journal was made for another purpose."""
        if self.app_id != purpose.app_id:
            raise JournalError(f"it was made for another account ({self.app_id})")
        if self.fingerprint != purpose.fingerprint(self.salt):
            raise JournalError(f"it was made for another message (a {self.kind})")
        if self.allow_duplicates is not purpose.allow_duplicates:
            raise JournalError(f"it was made with allow_duplicates={self.allow_duplicates}")

    def covers(self, report: Report) -> bool:
        """Tell whether a report is of this account and product; a report without an appId counts."""
        return report.app_id in ("", self.app_id) and report.product.value == self.product
