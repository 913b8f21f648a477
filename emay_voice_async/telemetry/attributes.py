"""The names of attributes: OpenTelemetry's conventions for HTTP and errors, and names of this package for the rest.

The conventions for messaging are not used: a call has no broker and no consumer.
"""

from typing import Final
from urllib.parse import urlsplit

__all__ = [
    "APP_ID",
    "BROKEN",
    "CALL",
    "CODE",
    "DUPLICATES",
    "ENDPOINT",
    "ERROR_TYPE",
    "METHOD",
    "NUMBERS",
    "OUTCOME",
    "PRODUCT",
    "REPORTS",
    "REQUEST_ID",
    "RESEND_COUNT",
    "SEND_ID",
    "SOURCE",
    "STATE",
    "STATUS",
    "URL",
    "WAITED",
    "address_attributes",
]

METHOD: Final = "http.request.method"
RESEND_COUNT: Final = "http.request.resend_count"
STATUS: Final = "http.response.status_code"
URL: Final = "url.full"
ERROR_TYPE: Final = "error.type"

APP_ID: Final = "emay_voice.app_id"
BROKEN: Final = "emay_voice.reports.broken"
CALL: Final = "emay_voice.call"
CODE: Final = "emay_voice.code"
DUPLICATES: Final = "emay_voice.reports.duplicates"
ENDPOINT: Final = "emay_voice.endpoint"
NUMBERS: Final = "emay_voice.numbers"
OUTCOME: Final = "emay_voice.outcome"
PRODUCT: Final = "emay_voice.product"
REPORTS: Final = "emay_voice.reports"
REQUEST_ID: Final = "emay_voice.request_id"
SEND_ID: Final = "emay_voice.send_id"
SOURCE: Final = "emay_voice.source"
STATE: Final = "emay_voice.state"
WAITED: Final = "emay_voice.slot.wait"

_PORTS: Final = {"http": 80, "https": 443}


def address_attributes(base_url: str) -> dict[str, str | int]:
    """Return host and port of the service."""
    parts = urlsplit(base_url)
    return {"server.address": parts.hostname or "", "server.port": parts.port or _PORTS[parts.scheme]}
