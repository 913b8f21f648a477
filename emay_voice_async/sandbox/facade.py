"""The local service as users see it: a single object."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from decimal import Decimal

import httpx

from emay_voice_async.model.endpoints import Call, Product
from emay_voice_async.sandbox import pushing, server
from emay_voice_async.sandbox.accounts import Account, ServiceType
from emay_voice_async.sandbox.app import App, Latency
from emay_voice_async.sandbox.control import ControlApp
from emay_voice_async.sandbox.faults import Fault, Faults
from emay_voice_async.sandbox.initial import InitialState
from emay_voice_async.sandbox.outcomes import Callees, listed_outcome
from emay_voice_async.sandbox.pushing import Delivery, PushMode
from emay_voice_async.sandbox.record import MadeCall, Received
from emay_voice_async.sandbox.replies import Recordings
from emay_voice_async.sandbox.service import Service
from emay_voice_async.sandbox.speed import DEFAULT_LIMITS, AnyLimits

__all__ = ["Sandbox"]


class Sandbox:
    """A local Emay service that behaves as the API document says: for demos, and for your tests.

    In process, without a socket::

        sandbox = Sandbox()
        transport = httpx.ASGITransport(app=sandbox.app)
        http_client = httpx.AsyncClient(transport=transport)

    or over a real one::

        async with sandbox.serve() as url:
            ...

    The number that is called decides about the outcome: see :mod:`emay_voice_async.sandbox.outcomes`
    for the magic numbers. :attr:`calls` has an entry for each time that a phone would have rung.

    - ``app_id``, ``secret_key``, ``services``, ``balance``, ``price``, ``rate_limits`` and
      ``allowed_ips`` make the first account, :attr:`account`; ``accounts`` are further accounts. See
      :class:`~emay_voice_async.sandbox.accounts.Account`. ``rate_limits`` may be the client's
      ``RateLimits``.
    - ``report_delay``: seconds from an accepted send until its reports are ready.
    - ``recordings``: recordings in reports are "base64" text or a list of "signed" bytes.
    - ``clock``: returns POSIX seconds. ``clock_offset``: seconds added wherever a client can see the
      service's clock.
    - ``latency``, ``answer_latency``: return the seconds that a request and a response are in flight.
    - ``keep``: how many requests and how many calls are recorded at most, the latest. None: all.
    - ``allowed_hosts``: the host names by which clients may call, such as ``{"localhost"}``; IP addresses
      are always allowed. Requests for other hosts and from foreign web pages get 403. None: no check.

    - ``callees``: what people do whose number is not magic; None: all answer.
    - ``show_numbers``: the page shows whole phone numbers.

    A request's body may have 1 MiB; a longer body gets 413.

    Served over a socket, the page ``/_sandbox/`` shows the calls as they ring. The control API beside it does over
    HTTP what this object does in Python; ``/_sandbox/openapi.json`` describes it.
    """

    def __init__(
        self,
        *,
        app_id: str = "EUCP-EMY-SANDBOX-00001",
        secret_key: str = "0123456789ABCDEF",  # noqa: S107 - opens nothing but this sandbox
        services: Collection[ServiceType] = frozenset(ServiceType),
        balance: Decimal = Decimal(10000),
        price: Decimal = Decimal("0.1"),
        rate_limits: AnyLimits = DEFAULT_LIMITS,
        allowed_ips: Collection[str] | None = None,
        accounts: Sequence[Account] = (),
        report_delay: float = 0.0,
        recordings: Recordings = "base64",
        clock: Callable[[], float] = time.time,
        clock_offset: float = 0.0,
        latency: Latency | None = None,
        answer_latency: Latency | None = None,
        keep: int | None = None,
        allowed_hosts: Collection[str] | None = None,
        callees: Callees | None = None,
        show_numbers: bool = True,
    ) -> None:
        if keep is not None and keep < 0:
            raise ValueError(f"keep must be 0 or more (found {keep})")
        self._account = Account(
            app_id=app_id,
            secret_key=secret_key,
            services=services,
            balance=balance,
            price=price,
            rate_limits=rate_limits,
            allowed_ips=allowed_ips,
        )
        self._service = Service(
            accounts={account.app_id: account for account in (self._account, *accounts)},
            report_delay=report_delay,
            clock_offset=clock_offset,
            recordings=recordings,
            keep=keep,
            callees=callees,
        )
        self._clock = clock
        hosts = frozenset(map(str.lower, allowed_hosts or ()))
        self._app = App(
            service=self._service,
            clock=clock,
            latency=latency,
            answer_latency=answer_latency,
            keep=keep,
            allowed_hosts=None if allowed_hosts is None else hosts,
        )
        self._initial = InitialState.of(self._app)
        self._app.control = ControlApp(
            self._app, self._initial, allowed_hosts=hosts, show_numbers=show_numbers
        )

    def __repr__(self) -> str:
        accounts = ", ".join(self._service.accounts)
        return f"<Sandbox {accounts}: {len(self.received)} requests, {len(self.calls)} calls>"

    @property
    def app(self) -> App:
        """The service as an ASGI application."""
        return self._app

    def serve(self, *, host: str = "127.0.0.1", port: int = 0) -> AbstractAsyncContextManager[str]:
        """Serve over a socket while the context lasts; yields the base URL. Port 0 takes any free port.

        Raises ``OSError`` when the address is taken.
        """
        return server.serve(self._app, host=host, port=port)

    async def run(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        on_ready: Callable[[str], object],
        push_to: str | None = None,
        on_delivery: Callable[[Delivery, float], object] = lambda *_: None,
    ) -> None:
        """Serve over a socket until Ctrl-C or SIGTERM; ``on_ready`` is called with the base URL.

        ``push_to``: the URL to which reports are pushed as they get ready, as by :meth:`push_as_ready`. Runs in the
        main thread only. Raises ``OSError`` when the address is taken.
        """
        async with AsyncExitStack() as stack:
            if push_to is not None:
                pushing_ = asyncio.ensure_future(self.push_as_ready(push_to, on_delivery=on_delivery))
                stack.push_async_callback(_cancelled, pushing_)
            await server.run(self._app, host=host, port=port, on_ready=on_ready)

    def fail_next(
        self, fault: Fault, *, on: Call | str | None = None, skip: int = 0, times: int | None = 1
    ) -> None:
        """Plan a fault for later requests, after the faults planned before.

        ``on`` is a kind of call ("send", "reports", "balance", or a ``Call``) or a path such as
        "/voice/send"; None is every endpoint. Of these requests, ``skip`` succeed first, then ``times``
        fail (None: all from then on). Raises ``ValueError`` for another ``on``.
        """
        self._app.faults.plan(fault, on=on, skip=skip, times=times)

    @property
    def faults(self) -> Faults:
        """The faults that are still to come."""
        return self._app.faults

    @property
    def received(self) -> Sequence[Received]:
        """The requests that arrived, in order: all, or the last ``keep``."""
        return self._app.received

    @property
    def calls(self) -> Sequence[MadeCall]:
        """The calls that were made, in order: an entry for each number of each accepted send, or the last ``keep``."""
        return self._service.calls

    @property
    def over_speed(self) -> int:
        """The number of ERROR_OVER_SPEED responses."""
        return self._app.over_speed

    @property
    def reports_waiting(self) -> int:
        """The number of reports, ready or not, that were not taken yet."""
        return self._service.reports_waiting

    def forget(self) -> None:
        """Clear the records: :attr:`received`, :attr:`calls` and :attr:`over_speed`.

        The state of the service stays: balances, speed limits and waiting reports.
        """
        self._app.forget()

    def reset(self) -> None:
        """Go back to the state at the start: accounts, settings, no records, reports or faults."""
        self._initial.restore(self._app)

    def decide(
        self,
        message_id: str,
        state: str = "SUCCESS",
        *,
        key: str | None = None,
        duration: float | None = None,
        recording: bytes | None = None,
        report_in: float | None = None,
    ) -> MadeCall:
        """Decide what a called person does, before the report is ready; return the call.

        ``state`` is a state of the document's table 3.1, ``key`` the digit that the person presses, ``duration`` the
        seconds of the call, ``recording`` the sound file that the person leaves. ``report_in``: seconds until the
        report is ready; None leaves it as planned. Raises ``LookupError`` for an unknown call, and ``ValueError`` for
        another state or key, and when the report is ready already (see ``report_delay``).
        """
        outcome = listed_outcome(state, key=key, duration=duration, recording=recording)
        call = self._service.call(message_id)
        self._service.decide(call, outcome, self._clock(), report_in=report_in)
        return call

    @property
    def account(self) -> Account:
        """The first account."""
        return self._account

    @property
    def app_id(self) -> str:
        """The appId of the first account."""
        return self._account.app_id

    @property
    def secret_key(self) -> str:
        """The secretKey of the first account."""
        return self._account.secret_key

    @property
    def balance(self) -> Decimal:
        """The balance of the first account; can be set."""
        return self._account.balance

    @balance.setter
    def balance(self, balance: Decimal) -> None:
        self._account.balance = balance

    @property
    def report_delay(self) -> float:
        """Seconds from an accepted send to its reports; can be set, for later sends."""
        return self._service.report_delay

    @report_delay.setter
    def report_delay(self, seconds: float) -> None:
        self._service.report_delay = seconds

    @property
    def clock_offset(self) -> float:
        """Seconds that the service's clock is ahead; can be set."""
        return self._service.clock_offset

    @clock_offset.setter
    def clock_offset(self, seconds: float) -> None:
        self._service.clock_offset = seconds

    async def push_as_ready(
        self,
        url: str,
        *,
        mode: PushMode = "encrypted",
        on_delivery: Callable[[Delivery, float], object] = lambda *_: None,
    ) -> None:
        """Push reports to ``url`` as they get ready, until cancelled.

        A push without a confirmation is made again after 1 second, and then after twice as long each time, up to a
        minute. ``on_delivery`` is called with each delivery, and the seconds until the next try, 0 after a success.
        """
        await pushing.push_as_ready(url, self._service, self._clock, mode=mode, on_delivery=on_delivery)

    async def push(
        self,
        url: str,
        *,
        mode: PushMode = "encrypted",
        bare: bool = False,
        product: Product = Product.VOICE,
        client: httpx.AsyncClient | None = None,
    ) -> list[Delivery]:
        """Push the ready reports to ``url``, and return the delivery of each push.

        Each account pushes its own reports, at most 1,000 at a time, in the order of getReport. Reports
        are removed only when the receiver confirmed them; an account stops after the first push without
        a confirmation. ``bare`` leaves out the ``{"code", "data"}`` around the list. ``client`` is used
        and not closed; None makes a client for this call, without the proxies of the environment.
        """
        return await pushing.push_all(
            url, self._service, self._clock(), product=product, mode=mode, bare=bare, client=client
        )


async def _cancelled(task: asyncio.Future[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
