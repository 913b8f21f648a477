"""The label of a request: id, send and size, for events, log records and errors."""

import secrets
from itertools import count

from attrs import define

__all__ = ["Ids", "RequestLabel"]


@define(eq=False)
class RequestLabel:
    """The label of a request; ``attempt`` counts how often the request was handed to the HTTP client."""

    request_id: str
    send_id: str = ""
    numbers: int = 0
    attempt: int = 0

    def extra(self) -> dict[str, str | int]:
        """Return the label for ``extra=`` of a log call, with the names of ``log_fields``."""
        return {
            "emay_request_id": self.request_id,
            "emay_send_id": self.send_id,
            "emay_numbers": self.numbers,
            "emay_attempt": self.attempt,
        }


class Ids:
    """Makes ids that are unique among processes: a random text of one client or receiver, and a number."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(4)
        self._count = count(1)

    def new(self) -> str:
        """Return the next id."""
        return f"{self._prefix}-{next(self._count)}"
