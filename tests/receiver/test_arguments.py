"""The receiver's arguments."""

import functools
import logging
from typing import Any
from unittest.mock import AsyncMock

import pytest
from support.pushes import (
    APP_ID,
    KEY,
    KEYS,
    MOBILE,
    NETWORKS,
    OTHER_KEY,
    PUSH,
    SUCCESS,
    TOKEN,
    Handler,
    entry,
    fail,
    push,
    text_of,
)
from support.virtual_time import run

from emay_voice_async import InvalidRequestError, Report
from emay_voice_async.receiver import PushReceiver, RecentReports


def _plain_handler(_: list[Report]) -> None:
    """Handle reports without being async."""


async def _without_argument() -> None:
    """Take no reports."""


async def _with_two_arguments(_: list[Report], __: str) -> None:
    """Take one argument too many."""


class PlainStore:
    """A store whose methods are not async."""

    def claim(self, keys: list[str]) -> list[str]:
        """Claim at once."""
        return keys

    async def settle(self, keys: list[str], *, handled: bool) -> None:
        """Settle."""

    async def wait(self, key: str) -> None:
        """Wait."""


class Methods:
    """Handlers of all accepted kinds."""

    async def __call__(self, _: object) -> None:
        """Handle as an object."""

    async def method(self, _: object, more: int = 0) -> None:
        """Handle as a method."""

    @staticmethod
    async def static(*_: object) -> None:
        """Handle as a static method."""


class Compiled:
    """A handler without a signature, as of a compiled module."""

    @property
    def __signature__(self) -> None:
        """Fail as inspect does."""
        raise ValueError("no signature found")

    async def __call__(self, _: object) -> None:
        """Handle as an object."""


class TestArguments:
    """Wrong arguments raise when the receiver is made."""

    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("keys", {"keys": None}),
            ("keys", {"keys": APP_ID}),
            ("keys", {"keys": {APP_ID: "short"}}),
            ("keys", {"keys": {APP_ID: ""}}),
            ("keys", {"keys": {APP_ID: None}}),
            ("keys", {"keys": {"": KEY}}),
            ("keys", {"keys": {7: KEY}}),
            ("on_reports", {"on_reports": None}),
            ("on_rejected", {"on_rejected": 7}),
            ("on_reports", {"on_reports": lambda reports: None}),
            ("on_reports", {"on_reports": _plain_handler}),
            ("on_reports", {"on_reports": functools.partial(_plain_handler)}),
            ("on_reports", {"on_reports": _without_argument}),
            ("on_reports", {"on_reports": _with_two_arguments}),
            ("on_reports", {"on_reports": Handler}),
            ("on_reports", {"on_reports": Handler().__class__.__call__}),
            ("on_reports", {"on_reports": RecentReports()}),
            ("on_rejected", {"on_rejected": print}),
            ("on_rejected", {"on_rejected": _without_argument}),
            ("keys", {"keys": KEYS.get}),
            ("keys", {"keys": _without_argument}),
            ("deduplicate", {"deduplicate": RecentReports}),
            ("deduplicate", {"deduplicate": PlainStore()}),
            ("max_reports", {"max_reports": 0}),
            ("max_requests", {"max_requests": "100"}),
            ("max_held", {"max_held": -1}),
            ("max_held", {"max_held": 1024}),
            ("max_held", {"max_body": 512 * 1024 * 1024}),
            ("deduplicate", {"deduplicate": True}),
            ("deduplicate", {"deduplicate": {}}),
            ("max_body", {"max_body": 0}),
            ("max_body", {"max_body": 1.5}),
            ("max_size", {"max_size": None}),
            ("max_size", {"max_size": True}),
            ("body_timeout", {"body_timeout": 0}),
            ("body_timeout", {"body_timeout": float("nan")}),
            ("handler_timeout", {"handler_timeout": float("inf")}),
            ("handler_timeout", {"handler_timeout": "30"}),
            ("handler_timeout", {"handler_timeout": True}),
            ("allow_plain", {"allow_plain": True}),
            ("allow_plain", {"allow_plain": 1, "plain_token": TOKEN}),
            ("plain_token", {"plain_token": TOKEN}),
            ("plain_networks", {"plain_networks": NETWORKS}),
            ("plain_networks", {"plain_networks": NETWORKS, "plain_token": TOKEN}),
            ("plain_token", {"allow_plain": True, "plain_token": " "}),
            ("plain_token", {"allow_plain": True, "plain_token": "a/b"}),
            ("plain_token", {"allow_plain": True, "plain_token": 7}),
            ("plain_networks", {"allow_plain": True, "plain_networks": []}),
            ("plain_networks", {"allow_plain": True, "plain_networks": "203.0.113.0/24"}),
            ("plain_networks", {"allow_plain": True, "plain_networks": ["203.0.113.9/24"]}),
            ("plain_networks", {"allow_plain": True, "plain_networks": [*NETWORKS, "everywhere"]}),
            ("plain_networks", {"allow_plain": True, "plain_networks": [7]}),
            ("plain_networks", {"allow_plain": True, "plain_networks": 7}),
        ],
    )
    def test_a_broken_argument_is_named(self, name: str, options: dict[str, Any]) -> None:
        """The error names the argument, and shows no secret."""
        with pytest.raises(InvalidRequestError) as caught:
            PushReceiver(**{"keys": KEYS, "on_reports": Handler(), **options})
        assert caught.value.field == name
        for secret in (KEY, TOKEN, "short"):
            assert secret not in str(caught.value)

    @pytest.mark.parametrize(
        ("value", "found"),
        [
            (_plain_handler, "a function that is not async"),
            (_without_argument, "another number of arguments"),
            (Handler, "the class Handler"),
            (7, "int"),
        ],
    )
    def test_the_right_form_of_a_handler_is_named(self, value: Any, found: str) -> None:
        """The message shows the right form, and the value that was found."""
        with pytest.raises(InvalidRequestError) as caught:
            PushReceiver(KEYS, value)
        assert "async def on_reports(reports): ..." in str(caught.value)
        assert str(caught.value).endswith(f"(found {found})")

    @pytest.mark.parametrize(
        "handler",
        [
            Methods(),
            Methods().method,
            Methods.static,
            functools.partial(Methods().method, more=1),
            AsyncMock(),
            Compiled(),
        ],
    )
    def test_async_callables_of_all_kinds(self, handler: Any) -> None:
        """Objects, methods, static methods and partial functions are accepted if they are async."""
        assert run(push(PushReceiver(KEYS, handler, on_rejected=handler))) == SUCCESS

    def test_the_class_of_a_store(self) -> None:
        """A class in place of a store is named, with the right form."""
        with pytest.raises(
            InvalidRequestError, match=r"RecentReports\(\), or None \(found the class RecentR"
        ):
            PushReceiver(KEYS, Handler(), deduplicate=RecentReports)  # type: ignore[arg-type]

    def test_called_like_a_view(self) -> None:
        """Called with a request of another framework, the receiver names the right call."""
        with pytest.raises(
            InvalidRequestError, match=r"await receiver\.handle\(method, path, headers, body, client"
        ):
            run(PushReceiver(KEYS, Handler())({"type": "http"}))

    def test_plain_pushes_without_a_rule_name_the_fix(self) -> None:
        """The message names the missing arguments."""
        with pytest.raises(InvalidRequestError, match=r"plain_networks=\[\.\.\.\] or plain_token="):
            PushReceiver(KEYS, Handler(), allow_plain=True)

    def test_options_are_given_by_name(self) -> None:
        """Only the first two arguments can be given by position."""
        with pytest.raises(TypeError):
            PushReceiver(KEYS, Handler(), True)  # type: ignore[call-arg]

    def test_no_secret_is_shown(self, caplog: pytest.LogCaptureFixture) -> None:
        """Neither a repr nor a log record has a key, the token or a number."""
        caplog.set_level(logging.DEBUG)
        app = PushReceiver(KEYS, Handler(fail), allow_plain=True, plain_token=TOKEN)
        for body in (PUSH, PUSH, b"garbage", text_of(entry())):
            run(push(app, body))
            run(push(app, body, path=f"/{TOKEN}"))
        shown = caplog.text + repr(app) + repr(app._decoder)
        for secret in (KEY, OTHER_KEY, TOKEN, MOBILE):
            assert secret not in shown
