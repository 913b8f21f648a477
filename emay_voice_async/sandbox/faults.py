"""Faults on demand, between a client and the service, for chosen requests.

A fault decides whether the service acts on the request (``acts``), and how the response is changed. A
client often cannot know whether the service acted; a test can.
"""

import gzip
from collections import deque
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Self

from attrs import Factory, define, evolve, field, frozen, validators

from emay_voice_async.model.endpoints import ENDPOINTS, Call, Endpoint
from emay_voice_async.sandbox import replies
from emay_voice_async.sandbox.replies import (
    HTML_TYPE,
    JSON_TYPE,
    TEXT_TYPE,
    HttpReply,
    Transmission,
    encode,
    page,
)

__all__ = ["Fault", "Faults", "PlannedFault"]

_PATHS = frozenset(endpoint.path for endpoint in ENDPOINTS)

Spoil = Callable[[HttpReply, Endpoint], HttpReply]
"""Replaces the correct response, which is an empty 200 if the service did not act."""


def _unchanged(answer: HttpReply, _: Endpoint) -> HttpReply:
    return answer


@frozen(kw_only=True)
class Fault:
    """A fault of a request; the class methods make the usual faults.

    ``name`` is shown in the records; ``spoil`` makes the faulty response of the good one.
    ``acts``: whether the service acts on the request: counts it, accepts and charges a send, removes
    the reports that are handed out. ``before`` and ``after``: seconds until the service acts, and from
    then until the response is sent. Any fault can have these delays:
    ``attrs.evolve(Fault.reset(acts=True), after=0.1)``.
    """

    name: str
    acts: bool
    before: float = field(default=0.0, validator=validators.ge(0))
    after: float = field(default=0.0, validator=validators.ge(0))
    spoil: Spoil = field(default=_unchanged, repr=False)

    @classmethod
    def reset(cls, *, acts: bool = False) -> Self:
        """Reset the connection instead of responding."""
        return cls(
            name="reset",
            acts=acts,
            spoil=lambda answer, _: evolve(answer, transmission=Transmission.RESET, code=None),
        )

    @classmethod
    def cut(cls) -> Self:
        """Act, then close the connection after half of the response's body."""
        return cls(
            name="cut",
            acts=True,
            spoil=lambda answer, _: evolve(answer, transmission=Transmission.CUT, code=None),
        )

    @classmethod
    def status(cls, status: int, *, acts: bool = False) -> Self:
        """Respond with an HTTP status and a page, as a proxy in front of the service does."""
        spoiled = page(status)
        return cls(name=f"status {status}", acts=acts, spoil=lambda _, __: spoiled)

    @classmethod
    def html(cls, *, acts: bool = False) -> Self:
        """Respond with 200 and a page, as a login portal does."""
        body = b"<html><body><h1>Welcome</h1></body></html>"
        return cls.answer(body, content_type=HTML_TYPE, acts=acts, name="html")

    @classmethod
    def empty(cls, *, acts: bool = False) -> Self:
        """Respond with 200 and no body."""
        return cls.answer(b"", acts=acts, name="empty")

    @classmethod
    def answer(
        cls,
        body: bytes,
        *,
        status: int = HTTPStatus.OK,
        content_type: str = JSON_TYPE,
        acts: bool = False,
        name: str = "answer",
    ) -> Self:
        """Respond with any status and body."""
        spoiled = HttpReply(status, body, content_type)
        return cls(name=name, acts=acts, spoil=lambda _, __: spoiled)

    @classmethod
    def truncated(cls) -> Self:
        """Act, and respond with the first half of the JSON under the matching length."""

        def spoil(answer: HttpReply, _: Endpoint) -> HttpReply:
            return evolve(answer, body=answer.body[: len(answer.body) // 2], code=None)

        return cls(name="truncated", acts=True, spoil=spoil)

    @classmethod
    def code(cls, code: str) -> Self:
        """Refuse with a result code, any text; the service does not act."""
        return cls(
            name=f"code {code}",
            acts=False,
            spoil=lambda _, endpoint: encode(replies.refusal(endpoint, code)),
        )

    @classmethod
    def gzipped(cls) -> Self:
        """Act and respond correctly, compressed (``Content-Encoding: gzip``)."""

        def spoil(answer: HttpReply, _: Endpoint) -> HttpReply:
            body = gzip.compress(answer.body, mtime=0)
            return evolve(answer, body=body, headers={"content-encoding": "gzip"})

        return cls(name="gzipped", acts=True, spoil=spoil)

    @classmethod
    def content_type(cls, content_type: str = TEXT_TYPE) -> Self:
        """Act and respond correctly, with another content type."""
        return cls(
            name="content type", acts=True, spoil=lambda answer, _: evolve(answer, content_type=content_type)
        )

    @classmethod
    def delay(cls, *, before: float = 0.0, after: float = 0.0) -> Self:
        """Act and respond correctly, but late: seconds until acting, and from then to the response."""
        return cls(name="delay", acts=True, before=before, after=after)


def _place(on: Call | str | None) -> Call | str | None:
    return on if on is None or on in _PATHS else Call(on)


@define(eq=False)
class PlannedFault:
    """A fault for later requests; ``seen`` counts the arrived requests that the fault concerns."""

    fault: Fault
    on: Call | str | None = field(converter=_place)
    skip: int = field(validator=validators.ge(0))
    times: int | None = field(validator=validators.optional(validators.ge(1)))
    seen: int = 0

    def concerns(self, endpoint: Endpoint) -> bool:
        """Tell whether the fault is for requests to an endpoint."""
        return self.on in (None, endpoint.call, endpoint.path)


@define(eq=False)
class Faults:
    """The planned faults, in the order of planning."""

    _plans: deque[PlannedFault] = Factory(deque)

    def plan(
        self, fault: Fault, *, on: Call | str | None = None, skip: int = 0, times: int | None = 1
    ) -> None:
        """Plan a fault for later requests, after the faults planned before.

        ``on`` is a kind of call ("send", "reports", "balance", or a ``Call``) or a path such as
        "/voice/send"; None is every endpoint. Of these requests, ``skip`` succeed first, then ``times``
        fail (None: all from then on). Raises ``ValueError`` for another ``on``.
        """
        self._plans.append(PlannedFault(fault, on, skip, times))

    def due(self, endpoint: Endpoint) -> Fault | None:
        """Return the fault of an arriving request, if any, and count the request."""
        plan = next((one for one in self._plans if one.concerns(endpoint)), None)
        if plan is None:
            return None
        plan.seen += 1
        if plan.times is not None and plan.seen == plan.skip + plan.times:
            self._plans.remove(plan)
        return plan.fault if plan.seen > plan.skip else None

    def clear(self) -> None:
        """Drop all planned faults."""
        self._plans.clear()

    def __iter__(self) -> Iterator[PlannedFault]:
        """Iterate over the planned faults that are not used up."""
        return iter(self._plans)

    def __len__(self) -> int:
        """Count the planned faults that are not used up."""
        return len(self._plans)
