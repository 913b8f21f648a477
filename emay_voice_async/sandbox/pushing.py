"""Pushes: the service posts the ready status reports to the customer's URL.

The document describes pushes for the voice services only (sections 2.1.4, 2.2.4, 2.3.4).
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Final, Literal
from urllib.parse import urlencode

import httpx
from attrs import frozen

from emay_voice_async.model.codes import ResultCode
from emay_voice_async.model.endpoints import MAX_REPORTS, Product
from emay_voice_async.sandbox.accounts import Account
from emay_voice_async.sandbox.service import Service
from emay_voice_async.wire.compression import compress
from emay_voice_async.wire.encryption import encrypt

__all__ = ["Delivery", "PushMode", "body_of", "push", "push_all", "push_as_ready"]

PushMode = Literal["encrypted", "json", "form"]
"""AES over gzip over JSON, the JSON itself, or the JSON in the form field ``reports``."""

_TYPES: Final[dict[PushMode, str]] = {
    "encrypted": "application/octet-stream",
    "json": "application/json;charset=utf-8",
    "form": "application/x-www-form-urlencoded;charset=utf-8",
}


FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
"""Seconds after a push without a confirmation; each further pause is twice as long."""
_LOOK: Final = 0.2
"""Seconds between two looks for ready reports."""


@frozen
class Delivery:
    """A push: the account ``app_id``, the number of ``reports``, and the receiver's response.

    ``status`` is None when no response came; ``body`` is then the reason. ``delivered``: the receiver
    confirmed with HTTP 200 and the text ``success``. Reports that were not confirmed are not removed.
    """

    app_id: str
    reports: int
    status: int | None
    body: str

    @property
    def delivered(self) -> bool:
        """Tell whether the receiver confirmed."""
        return self.status == httpx.codes.OK and self.body.strip() == "success"


def body_of(
    reports: Sequence[dict[str, object]], secret_key: str, mode: PushMode = "encrypted", *, bare: bool = False
) -> tuple[bytes, str]:
    """Return the body of a push, and the content type.

    ``bare``: the list of reports alone, as Emay's other products do, instead of the document's
    ``{"code": "SUCCESS", "data": [...]}``.
    """
    document = reports if bare else {"code": ResultCode.SUCCESS, "data": reports}
    text = json.dumps(document, ensure_ascii=False)
    match mode:
        case "encrypted":
            body = encrypt(compress(text.encode()), secret_key)
        case "form":
            body = urlencode({"reports": text}).encode()
        case _:
            body = text.encode()
    return body, _TYPES[mode]


async def push_all(
    url: str,
    service: Service,
    now: float,
    *,
    product: Product = Product.VOICE,
    mode: PushMode = "encrypted",
    bare: bool = False,
    client: httpx.AsyncClient | None = None,
) -> list[Delivery]:
    """Push the reports of all accounts that are ready at ``now``.

    ``client`` is used and not closed; None makes a client for this call, without the proxies of the environment.
    """
    if client is None:
        # A proxy of the environment must not stand between a local service and a local receiver.
        async with httpx.AsyncClient(trust_env=False) as own:
            return await push_all(url, service, now, product=product, mode=mode, bare=bare, client=own)
    deliveries: list[Delivery] = []
    for account in service.accounts.values():
        deliveries += await push(client, url, service, account, now, product=product, mode=mode, bare=bare)
    return deliveries


async def push_as_ready(
    url: str,
    service: Service,
    clock: Callable[[], float],
    *,
    mode: PushMode = "encrypted",
    on_delivery: Callable[[Delivery, float], object],
    client: httpx.AsyncClient | None = None,
) -> None:
    """Push reports as they get ready, until cancelled; after a failure again, later and later.

    ``on_delivery`` is called with each delivery, and the seconds until the next try, 0 after a success.
    """
    if client is None:
        async with httpx.AsyncClient(trust_env=False) as own:
            await push_as_ready(url, service, clock, mode=mode, on_delivery=on_delivery, client=own)
    pause = FIRST_PAUSE
    while True:
        deliveries = await push_all(url, service, clock(), mode=mode, client=client)
        failed = not all(delivery.delivered for delivery in deliveries)
        for delivery in deliveries:
            on_delivery(delivery, 0.0 if delivery.delivered else pause)
        await asyncio.sleep(pause if failed else _LOOK)
        pause = min(2 * pause, LONGEST_PAUSE) if failed else FIRST_PAUSE


async def push(
    client: httpx.AsyncClient,
    url: str,
    service: Service,
    account: Account,
    now: float,
    *,
    product: Product,
    mode: PushMode,
    bare: bool,
) -> list[Delivery]:
    """Push the reports of one account that are ready at ``now``; stop at the first failure."""
    deliveries: list[Delivery] = []
    while taken := service.take(account.app_id, product, MAX_REPORTS, now):
        delivered = False
        try:
            body, content_type = body_of(service.write(taken), account.secret_key, mode, bare=bare)
            delivery = await _deliver(client, url, account.app_id, len(taken), body, content_type)
            deliveries.append(delivery)
            delivered = delivery.delivered
        finally:
            if not delivered:
                service.put_back(account.app_id, product, taken)
        if not delivered:
            break
    return deliveries


async def _deliver(
    client: httpx.AsyncClient, url: str, app_id: str, number: int, body: bytes, content_type: str
) -> Delivery:
    headers = {"appId": app_id, "Content-Type": content_type}
    try:
        answer = await client.post(url, content=body, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Delivery(app_id, number, None, f"{type(error).__name__}: {error}")
    return Delivery(app_id, number, answer.status_code, answer.text)
