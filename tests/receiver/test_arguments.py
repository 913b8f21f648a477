"""The receiver's arguments."""

import logging
from typing import Any

import pytest
from support.pushes import (
    APP_ID,
    KEY,
    KEYS,
    MOBILE,
    NETWORKS,
    OTHER_KEY,
    PUSH,
    TOKEN,
    Handler,
    entry,
    fail,
    push,
    text_of,
)
from support.virtual_time import run

from emay_voice_async import InvalidRequestError
from emay_voice_async.receiver import PushReceiver


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
        shown = caplog.text + repr(app) + repr(app._plain)
        for secret in (KEY, OTHER_KEY, TOKEN, MOBILE):
            assert secret not in shown
