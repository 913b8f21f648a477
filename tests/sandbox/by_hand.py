"""Requests written by hand: forms, timestamps and signatures without any help of the package."""

import hashlib
import ssl
import time

import httpx

from emay_voice_async.model.endpoints import ENDPOINTS
from emay_voice_async.sandbox.accounts import Account
from emay_voice_async.sandbox.requests import FormRequest
from emay_voice_async.sandbox.service import Service

APP_ID = "EUCP-EMY-HAND-00001"
KEY = "FEDCBA9876543210"
NOW = 1_700_000_000.0
MOBILE = "13800000000"

ENDPOINT = {endpoint.path: endpoint for endpoint in ENDPOINTS}
SENDS = ("/voice/send", "/voice/sendVFCode", "/voice/sendCTCode", "/join/send")
REPORTS = ("/voice/getReport", "/join/getReport")
BALANCES = ("/voice/getBalance", "/join/getBalance")

_RIGHT: dict[str, dict[str, str | None]] = {
    "/voice/send": {"content": "您的快递到了", "mobiles": MOBILE},
    "/voice/sendVFCode": {"content": "1234", "mobile": MOBILE},
    "/voice/sendCTCode": {"content": "新品上市", "mobiles": MOBILE},
    "/join/send": {
        "voiceContent": "请按一",
        "mobiles": MOBILE,
        "triggerConditions": "3",
        "keyContent": "1",
        "smsContent": "链接",
    },
}
# Making a TLS context for each client takes longer than most tests.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def stamp(at: float) -> str:
    """Write an instant as a timestamp: Beijing is eight hours ahead of UTC."""
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(at + 8 * 3600))


def signature(text: str) -> str:
    """Write the MD5 of a text as 32 lower-case hex digits."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def account() -> Account:
    """Make the account of these requests."""
    return Account(app_id=APP_ID, secret_key=KEY)


def form(path: str, /, **changes: str | None) -> dict[str, str]:
    """Write the form of a valid request with ``changes``; None omits a field."""
    return form_of(account(), path, NOW, **changes)


def form_of(customer: Account, path: str, at: float, /, **changes: str | None) -> dict[str, str]:
    """Write the form of a valid request of an account at an instant, with ``changes``."""
    fields: dict[str, str | None] = {"appId": customer.app_id}
    signed = customer.app_id + customer.secret_key
    if path in BALANCES:
        fields["sign"] = signature(signed)
    else:
        fields |= {"timestamp": stamp(at), "sign": signature(signed + stamp(at))}
    fields |= _RIGHT.get(path, {})
    fields |= changes
    return {name: value for name, value in fields.items() if value is not None}


def request(path: str, /, **changes: str | None) -> FormRequest:
    """Make a valid request with ``changes``, as the rules of the service see requests."""
    return FormRequest(ENDPOINT[path], form(path, **changes), "127.0.0.1")


def service(*accounts: Account) -> Service:
    """Make the rules for some accounts; by default for the account of these requests."""
    return Service(accounts={one.app_id: one for one in accounts or (account(),)})


def data(document: object) -> list[dict[str, object]]:
    """Return the list of an answer."""
    assert isinstance(document, dict)
    listed = document["data"]
    assert isinstance(listed, list)
    return listed


def client(url: str, timeout: float = 10.0) -> httpx.AsyncClient:
    """Make a plain HTTP client for a base URL."""
    return httpx.AsyncClient(base_url=url, verify=_NO_TLS, trust_env=False, timeout=timeout)


def in_process(app: object, address: str = "127.0.0.1") -> httpx.AsyncClient:
    """Make a plain HTTP client that calls an ASGI application without a socket."""
    transport = httpx.ASGITransport(app=app, client=(address, 40000))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://sandbox")
