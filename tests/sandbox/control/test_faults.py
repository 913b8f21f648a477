"""Faults out of JSON."""

import inspect
from base64 import b64encode
from collections.abc import Mapping

import pytest

from emay_voice_async.model.endpoints import VOICE_SEND
from emay_voice_async.sandbox import Fault
from emay_voice_async.sandbox.control.errors import ControlError
from emay_voice_async.sandbox.control.faults import fault_of
from emay_voice_async.sandbox.control.schemas import FAULT_KINDS
from emay_voice_async.sandbox.replies import HttpReply

CORRECT = HttpReply(200, b'{"code": "SUCCESS", "data": []}', code="SUCCESS")

CASES: list[tuple[dict[str, object], Fault]] = [
    ({"kind": "reset"}, Fault.reset()),
    ({"kind": "reset", "acts": True}, Fault.reset(acts=True)),
    ({"kind": "cut"}, Fault.cut()),
    ({"kind": "status", "status": 502}, Fault.status(502)),
    ({"kind": "status", "status": 503, "acts": True}, Fault.status(503, acts=True)),
    ({"kind": "html"}, Fault.html()),
    ({"kind": "html", "acts": True}, Fault.html(acts=True)),
    ({"kind": "empty"}, Fault.empty()),
    ({"kind": "empty", "acts": True}, Fault.empty(acts=True)),
    ({"kind": "answer"}, Fault.answer(b"")),
    ({"kind": "answer", "body": "好"}, Fault.answer("好".encode())),
    (
        {
            "kind": "answer",
            "body_base64": b64encode(b"\xff").decode(),
            "status": 201,
            "content_type": "a/b",
            "acts": True,
        },
        Fault.answer(b"\xff", status=201, content_type="a/b", acts=True),
    ),
    ({"kind": "truncated"}, Fault.truncated()),
    ({"kind": "code", "code": "ERROR_SIGN"}, Fault.code("ERROR_SIGN")),
    ({"kind": "code", "code": "new 码"}, Fault.code("new 码")),
    ({"kind": "gzipped"}, Fault.gzipped()),
    ({"kind": "content_type"}, Fault.content_type()),
    ({"kind": "content_type", "content_type": "text/html"}, Fault.content_type("text/html")),
    ({"kind": "delay", "before": 1, "after": 2.5}, Fault.delay(before=1, after=2.5)),
]


@pytest.mark.parametrize(("fields", "expected"), CASES, ids=str)
def test_every_fault(fields: Mapping[str, object], expected: Fault) -> None:
    """A fault out of JSON equals the fault of the class method, in all that it does to a response."""
    fault = fault_of(fields)
    assert (fault.name, fault.acts, fault.before, fault.after) == (
        expected.name,
        expected.acts,
        expected.before,
        expected.after,
    )
    assert fault.spoil(CORRECT, VOICE_SEND) == expected.spoil(CORRECT, VOICE_SEND)


def test_no_fault_is_missing() -> None:
    """JSON has a kind for each class method of the faults."""
    methods = {name for name, _ in inspect.getmembers(Fault, inspect.ismethod)}
    assert set(FAULT_KINDS) == methods == {str(fields["kind"]) for fields, _ in CASES}


def test_delays_of_any_fault() -> None:
    """Each fault can have delays."""
    fault = fault_of({"kind": "reset", "acts": True, "before": 1, "after": 2})
    assert (fault.before, fault.after, fault.acts) == (1.0, 2.0, True)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "code"}, "fault"),
        ({"kind": "cut", "acts": True}, "fault"),
        ({"kind": "status", "status": 204}, "status"),
        ({"kind": "status", "status": 99}, "status"),
        ({"kind": "status", "status": 299}, "status"),
        ({"kind": "answer", "status": 304}, "status"),
        ({"kind": "answer", "body_base64": "a"}, "body_base64"),
        ({"kind": "answer", "body_base64": "!"}, "body_base64"),
        ({"kind": "answer", "body": "a", "body_base64": "YQ=="}, "body_base64"),
        ({"kind": "content_type", "content_type": "a\r\nb: c"}, "content_type"),
        ({"kind": "delay", "after": -1}, "after"),
    ],
)
def test_bad_faults(fields: Mapping[str, object], field: str) -> None:
    """A wrong fault is refused with its field."""
    with pytest.raises(ControlError) as caught:
        fault_of(fields)
    assert (caught.value.status, caught.value.field) == (422, field)
