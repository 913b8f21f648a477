"""Faults: the requests that fail, and the changed responses."""

import gzip

import pytest
from attrs import evolve

from emay_voice_async.model.endpoints import Call, Endpoint
from emay_voice_async.sandbox.faults import Fault, Faults
from emay_voice_async.sandbox.replies import HttpReply, Transmission
from sandbox.by_hand import ENDPOINT

SEND, REPORT, BALANCE = ENDPOINT["/voice/send"], ENDPOINT["/join/getReport"], ENDPOINT["/voice/getBalance"]
RIGHT = HttpReply(200, b'{"code":"SUCCESS"}', code="SUCCESS")


def spoiled(fault: Fault) -> HttpReply:
    """Return the response after a fault."""
    return fault.spoil(RIGHT, SEND)


def names(faults: Faults, *endpoints: Endpoint) -> list[str | None]:
    """Count requests; return the names of their faults."""
    due = [faults.due(endpoint) for endpoint in endpoints]
    return [None if fault is None else fault.name for fault in due]


class TestFault:
    """The changed response."""

    @pytest.mark.parametrize("acts", [False, True])
    def test_reset(self, acts: bool) -> None:
        """The connection is reset, whether the service acted or not."""
        fault = Fault.reset(acts=acts)
        assert fault.acts is acts
        assert (spoiled(fault).transmission, spoiled(fault).code) == (Transmission.RESET, None)

    def test_cut(self) -> None:
        """The service acts, and the response is cut."""
        assert Fault.cut().acts
        assert (spoiled(Fault.cut()).transmission, spoiled(Fault.cut()).code) == (Transmission.CUT, None)

    @pytest.mark.parametrize("acts", [False, True])
    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    def test_status(self, status: int, acts: bool) -> None:
        """A status comes with a page, whether the service acted or not."""
        fault = Fault.status(status, acts=acts)
        assert (fault.name, fault.acts) == (f"status {status}", acts)
        assert (spoiled(fault).status, spoiled(fault).code) == (status, None)
        assert spoiled(fault).content_type.startswith("text/html")

    @pytest.mark.parametrize("acts", [False, True])
    def test_html(self, acts: bool) -> None:
        """A page comes with 200."""
        fault = Fault.html(acts=acts)
        assert fault.acts is acts
        assert (spoiled(fault).status, spoiled(fault).body[:6], spoiled(fault).code) == (200, b"<html>", None)

    @pytest.mark.parametrize("acts", [False, True])
    def test_empty(self, acts: bool) -> None:
        """200 comes without a body."""
        fault = Fault.empty(acts=acts)
        assert fault.acts is acts
        assert (spoiled(fault).status, spoiled(fault).body) == (200, b"")

    def test_answer(self) -> None:
        """Any status, body and content type can be sent."""
        fault = Fault.answer(b"[]", status=418, content_type="text/x", acts=True, name="teapot")
        assert (fault.name, fault.acts) == ("teapot", True)
        assert spoiled(fault) == HttpReply(418, b"[]", "text/x")

    def test_truncated(self) -> None:
        """Half of the JSON is sent as a complete response."""
        assert Fault.truncated().acts
        assert spoiled(Fault.truncated()) == HttpReply(200, b'{"code":"')

    def test_code(self) -> None:
        """Any result code is sent in the shape of the endpoint; the service does not act."""
        fault = Fault.code("ERROR_TIMING")
        assert not fault.acts
        assert (spoiled(fault).body, spoiled(fault).code) == (b'{"code":"ERROR_TIMING"}', "ERROR_TIMING")
        assert fault.spoil(RIGHT, BALANCE).body == b'{"responseCode":"ERROR_TIMING"}'

    def test_gzipped(self) -> None:
        """The correct response is compressed."""
        answer = spoiled(Fault.gzipped())
        assert Fault.gzipped().acts
        assert gzip.decompress(answer.body) == RIGHT.body
        assert (answer.headers, answer.code) == ({"content-encoding": "gzip"}, "SUCCESS")

    def test_content_type(self) -> None:
        """The correct response has another content type."""
        assert Fault.content_type().acts
        assert spoiled(Fault.content_type()) == evolve(RIGHT, content_type="text/plain;charset=utf-8")
        assert spoiled(Fault.content_type("x/y")).content_type == "x/y"

    def test_delay(self) -> None:
        """The correct response is delayed."""
        fault = Fault.delay(before=1.0, after=2.0)
        assert (fault.acts, fault.before, fault.after) == (True, 1.0, 2.0)
        assert spoiled(fault) is RIGHT

    def test_any_fault_can_be_late(self) -> None:
        """The delays of a fault can be changed."""
        late = evolve(Fault.reset(acts=True), after=2.0)
        assert (late.name, late.acts, late.after) == ("reset", True, 2.0)

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_delays_are_not_negative(self, when: str) -> None:
        """A negative delay is refused."""
        with pytest.raises(ValueError, match="must be >= 0"):
            Fault.delay(**{when: -1.0})


class TestFaults:
    """The requests that fail."""

    def test_one_request_fails(self) -> None:
        """A fault applies to the next request only."""
        faults = Faults()
        faults.plan(Fault.cut())
        assert len(faults) == 1
        assert names(faults, SEND, SEND) == ["cut", None]
        assert len(faults) == 0

    @pytest.mark.parametrize("on", ["send", Call.SEND, "/voice/send"])
    def test_others_are_left_alone(self, on: Call | str) -> None:
        """A fault can be for a kind of call or for a path."""
        faults = Faults()
        faults.plan(Fault.html(), on=on)
        assert names(faults, REPORT, BALANCE, SEND, SEND) == [None, None, "html", None]

    def test_a_path_is_not_its_kind(self) -> None:
        """A fault for a path does not apply to other sends."""
        faults = Faults()
        faults.plan(Fault.html(), on="/join/send")
        assert names(faults, SEND, ENDPOINT["/join/send"]) == [None, "html"]

    def test_skip_and_times(self) -> None:
        """``skip`` requests succeed, then ``times`` requests fail."""
        faults = Faults()
        faults.plan(Fault.html(), on="send", skip=2, times=3)
        assert names(faults, *[SEND] * 7) == [None, None, "html", "html", "html", None, None]

    def test_a_fault_may_last(self) -> None:
        """Without a number of times, all requests fail until the plan is dropped."""
        faults = Faults()
        faults.plan(Fault.html(), times=None)
        assert names(faults, *[SEND] * 50) == ["html"] * 50
        faults.clear()
        assert names(faults, SEND) == [None]

    def test_faults_come_one_after_the_other(self) -> None:
        """A fault begins when the previous fault for the same requests is used up."""
        faults = Faults()
        faults.plan(Fault.html(), on="send", skip=1)
        faults.plan(Fault.empty())
        faults.plan(Fault.cut())
        assert names(faults, SEND, REPORT, SEND, SEND, SEND) == [None, "empty", "html", "cut", None]

    def test_equal_plans_are_two(self) -> None:
        """The same fault planned twice applies to two requests."""
        faults, fault = Faults(), Fault.html()
        faults.plan(fault)
        faults.plan(fault)
        assert names(faults, SEND, SEND, SEND) == ["html", "html", None]

    @pytest.mark.parametrize("on", ["voice", "/voice/other", "SEND"])
    def test_an_unknown_kind_of_call(self, on: str) -> None:
        """A text that is neither a kind of call nor a path is refused."""
        with pytest.raises(ValueError, match="is not a valid Call"):
            Faults().plan(Fault.html(), on=on)

    def test_numbers_must_make_sense(self) -> None:
        """A negative ``skip`` and zero ``times`` are refused."""
        with pytest.raises(ValueError, match="must be >= 0"):
            Faults().plan(Fault.html(), skip=-1)
        with pytest.raises(ValueError, match="must be >= 1"):
            Faults().plan(Fault.html(), times=0)


def test_planned_faults_can_be_read() -> None:
    """The planned faults are iterated in their order, with the requests that they have seen."""
    faults = Faults()
    faults.plan(Fault.html(), on="send", skip=2)
    faults.plan(Fault.reset(), times=None)
    faults.due(SEND)
    assert [(plan.fault.name, plan.skip, plan.times, plan.seen) for plan in faults] == [
        ("html", 2, 1, 1),
        ("reset", 0, None, 0),
    ]
