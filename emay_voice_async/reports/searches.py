"""Searches for the reports of single calls: by message id or custom id, number and product."""

from typing import Any

from attrs import field, frozen

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.numbers import mask
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.results import Report, Ticket

__all__ = ["ReportId", "Search", "ids_of", "search_for"]

ReportId = tuple[str, str]
"""("message", message id), ("custom", custom id), or, for a report without a message id, ("nameless", custom id)."""
_DIGITS = 11


def ids_of(report: Report) -> list[ReportId]:
    """Return all ids by which a report can be found."""
    custom = "custom", report.custom_id
    nameless = "nameless", "" if report.message_id else report.custom_id
    ids = (("message", report.message_id), custom, nameless)
    return [(kind, value) for kind, value in ids if value]


@frozen
class Search:
    """A search for a report with one of these ids; an earlier id counts more.

    Callers choose custom ids and may use one for several calls, so a report that has the custom id also has to have
    the number, if both are known. ``product`` None: either product.
    """

    ids: tuple[ReportId, ...]
    mobile: str = field(default="", repr=mask)
    product: Product | None = None

    def accepts(self, key: ReportId, report: Report) -> bool:
        """Tell whether a report with this id is the report of the call."""
        if self.product is not None and report.product is not self.product:
            return False
        if key[0] == "message" or not (self.mobile and report.mobile):
            return True
        # The last digits, because a number may have a country code in a report.
        return report.mobile[-_DIGITS:] == self.mobile[-_DIGITS:]


def search_for(awaited: Ticket | Recipient | str, product: Product | None = None) -> Search:
    """Make the search for a ticket, a recipient with a custom id, or a custom id.

    A ticket is searched by message id. The custom id of a ticket with a message id finds reports without a message id
    only: an earlier call may have had the same custom id.
    """
    ids: tuple[tuple[str, Any], ...]
    mobile = awaited.mobile if isinstance(awaited, Ticket | Recipient) else ""
    if isinstance(awaited, Ticket) and awaited.message_id:
        ids = (("message", awaited.message_id), ("nameless", awaited.custom_id))
    else:
        custom_id = awaited.custom_id if isinstance(awaited, Ticket | Recipient) else awaited
        ids = (("custom", custom_id),)
    found = tuple((kind, value) for kind, value in ids if isinstance(value, str) and value)
    if not found:
        raise InvalidRequestError("awaited", "must be a Ticket or a custom id", None, type(awaited).__name__)
    return Search(found, mobile, product)
