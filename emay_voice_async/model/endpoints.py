"""The document's endpoints and numbers, as data.

The client and the local service share these facts: paths, names of the id fields, which requests
carry a timestamp, and the limits.
"""

from enum import Enum
from typing import NamedTuple

__all__ = [
    "CLOCK_SKEW",
    "CODE_LENGTHS",
    "ENDPOINTS",
    "JOIN_BALANCE",
    "JOIN_REPORTS",
    "JOIN_SEND",
    "MAX_BATCH",
    "MAX_CONNECTED",
    "MAX_CONTENT",
    "MAX_CUSTOM_ID",
    "MAX_REPORTS",
    "MAX_TOTAL_CONTENT",
    "MIN_CONNECTED",
    "VOICE_BALANCE",
    "VOICE_REPORTS",
    "VOICE_SEND",
    "VOICE_SEND_CODE",
    "VOICE_SEND_MARKETING",
    "Call",
    "Endpoint",
    "Product",
]

MAX_BATCH = 500
"""The largest count of numbers in a send."""
MAX_CONTENT = 200
"""Characters of the content of a notification or marketing call."""
MAX_TOTAL_CONTENT = 500
"""Characters of content, interactive content and voicemail content together."""
MAX_CUSTOM_ID = 64
"""Characters of a custom id."""
MAX_REPORTS = 1000
"""The largest count of reports in a getReport."""
CODE_LENGTHS = (4, 6)
"""Digits of a verification code."""
MIN_CONNECTED, MAX_CONNECTED = 6, 60
"""Seconds of connected time after which a voice SMS can be triggered."""
CLOCK_SKEW = 60
"""Seconds by which a timestamp may differ from the service's clock."""


class Product(Enum):
    """The two products of the service, with different paths and field names."""

    VOICE = "voice"
    """Notifications, verification codes and marketing calls (sections 2.1 to 2.3)."""
    JOIN = "join"
    """Voice SMS: a call that can trigger a text message (section 2.4)."""


class Call(Enum):
    """The kinds of request; the service limits the rate of each kind separately."""

    SEND = "send"
    REPORTS = "reports"
    BALANCE = "balance"


class Endpoint(NamedTuple):
    """A path of the service.

    ``stamped``: the request and its signature contain a timestamp. ``mobiles`` and ``custom_ids`` are
    the wire names of form fields; ``message_id``, ``custom_id`` and ``description`` are wire names of
    response fields. ``max_batch`` is the largest count of numbers in one request.
    """

    path: str
    product: Product
    call: Call
    stamped: bool = True
    mobiles: str = "mobiles"
    custom_ids: str = "customVoiceIds"
    message_id: str = "voiceId"
    custom_id: str = "customVoiceId"
    description: str = "message"
    max_batch: int = MAX_BATCH


VOICE_SEND = Endpoint("/voice/send", Product.VOICE, Call.SEND)
VOICE_SEND_CODE = Endpoint(
    "/voice/sendVFCode", Product.VOICE, Call.SEND, mobiles="mobile", custom_ids="customVoiceId", max_batch=1
)
VOICE_SEND_MARKETING = Endpoint("/voice/sendCTCode", Product.VOICE, Call.SEND)
VOICE_REPORTS = Endpoint("/voice/getReport", Product.VOICE, Call.REPORTS)
VOICE_BALANCE = Endpoint("/voice/getBalance", Product.VOICE, Call.BALANCE, stamped=False)
JOIN_SEND = Endpoint(
    "/join/send",
    Product.JOIN,
    Call.SEND,
    custom_ids="customJoinIds",
    message_id="joinId",
    custom_id="customJoinId",
    description="desc",
)
JOIN_REPORTS = Endpoint(
    "/join/getReport",
    Product.JOIN,
    Call.REPORTS,
    message_id="joinId",
    custom_id="customJoinId",
    description="desc",
)
JOIN_BALANCE = Endpoint("/join/getBalance", Product.JOIN, Call.BALANCE, stamped=False)

ENDPOINTS = (
    VOICE_SEND,
    VOICE_SEND_CODE,
    VOICE_SEND_MARKETING,
    VOICE_REPORTS,
    VOICE_BALANCE,
    JOIN_SEND,
    JOIN_REPORTS,
    JOIN_BALANCE,
)
"""All eight endpoints: for each product the sends, then the reports, then the balance."""
