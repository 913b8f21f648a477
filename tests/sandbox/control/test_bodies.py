"""Request bodies: JSON that fits its schema, or a clear error."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.sandbox.access import MAX_BODY
from emay_voice_async.sandbox.control.bodies import checked
from emay_voice_async.sandbox.control.errors import ControlError
from emay_voice_async.sandbox.control.schemas import ACCOUNT, CALL, FAULT, PUSH, SETTINGS
from sandbox.control.asking import JSON, ask, error, still


class TestJson:
    """From bytes to JSON."""

    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"no json",
            b"\xff\xfe",
            b'{"balance": NaN}',
            b'{"balance": Infinity}',
            b'{"balance": 1e999}',
            b'{"balance": ' + b"1" * 5000 + b"}",
            b'{"balance": "\\ud800"}',
            b"[" * 100_000,
        ],
    )
    def test_no_json(self, body: bytes) -> None:
        """A body that is no JSON in UTF-8 gets 400, and changes nothing."""
        local = still()
        status, _, message = error(ask(local.app, "PATCH", "account", content=body, headers=JSON))
        assert (status, str(local.balance)) == (400, "10000")
        assert message.startswith("the body is no JSON in UTF-8: ")
        assert len(message) < 300

    def test_a_huge_body(self) -> None:
        """A body that is too long gets 413."""
        response = ask(still().app, "POST", "faults", content=b" " * (MAX_BODY + 1), headers=JSON)
        assert error(response) == (413, None, "the body may have 1,048,576 bytes")

    def test_no_body(self) -> None:
        """A missing body is an empty object."""
        assert ask(still().app, "POST", "reset", headers=JSON).is_success


class TestSchema:
    """From JSON to checked fields."""

    @pytest.mark.parametrize(
        ("schema", "value", "field", "message"),
        [
            (ACCOUNT, [], "body", "body must be object"),
            (ACCOUNT, {}, "body", "body must name at least one field"),
            (ACCOUNT, {"money": 1}, "body", "body has an unknown field: 'money'"),
            (ACCOUNT, {"balance": -1}, "balance", "balance must be bigger than or equal to 0"),
            (
                ACCOUNT,
                {"balance": "-1"},
                "balance",
                "balance must be an amount of 0 or more, with up to 6 decimal places, such as 12.50",
            ),
            (ACCOUNT, {"balance": True}, "balance", "balance must be string or number"),
            (ACCOUNT, {"services": ["fax"]}, "services.0", None),
            (
                ACCOUNT,
                {"rate_limits": {"send": {"requests": 0}}},
                "rate_limits.send.requests",
                "rate_limits.send.requests must be bigger than or equal to 1",
            ),
            (CALL, {"key": "*"}, "key", None),
            (CALL, {"key": "12"}, "key", None),
            (CALL, {"state": "ASLEEP"}, "state", None),
            (CALL, {"duration": -0.5}, "duration", "duration must be bigger than or equal to 0"),
            (FAULT, {}, "body", "body must contain ['fault'] properties"),
            (FAULT, {"fault": {"kind": "flood"}}, "fault.kind", None),
            (FAULT, {"fault": {"kind": "cut"}, "times": 0}, "times", None),
            (PUSH, {"url": "ftp://here"}, "url", "url must be an http or https URL"),
            (SETTINGS, {"report_delay": "1"}, "report_delay", "report_delay must be number"),
        ],
    )
    def test_bad_fields(
        self, schema: dict[str, object], value: object, field: str, message: str | None
    ) -> None:
        """The error names the field and the rule."""
        with pytest.raises(ControlError) as caught:
            checked(value, schema)
        assert (caught.value.status, caught.value.field) == (422, field)
        assert message is None or caught.value.message == message
        assert caught.value.message.startswith(f"{field} ")

    @given(st.sampled_from([ACCOUNT, CALL, FAULT, PUSH, SETTINGS]), st.data())
    def test_anything(self, schema: dict[str, object], data: st.DataObject) -> None:
        """Any JSON is either checked or refused."""
        leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
        names = st.sampled_from(list(schema["properties"]))  # type: ignore[call-overload]
        objects = st.dictionaries(
            names | st.text(max_size=3), leaves | st.lists(leaves, max_size=2), max_size=3
        )
        with suppress(ControlError):
            assert isinstance(checked(data.draw(leaves | objects), schema), dict)
