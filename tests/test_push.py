"""Pushes: the document's own, their variants, and whatever else the internet sends."""

import json
from datetime import datetime
from urllib.parse import quote, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from samples import DOCUMENTED, blob, cases
from samples.strategies import JSON, usual_reports

from emay_voice_async import push
from emay_voice_async.errors import InvalidRequestError, PushError
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.codes import CallState
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.results import Report
from emay_voice_async.push import decode_plain_push, decode_push, decode_reports
from emay_voice_async.wire import encryption as sealing
from emay_voice_async.wire.encryption import compress, encrypt
from emay_voice_async.wire.status_reports import structure_reports

KEY = "0123456789abcdef"
FORM = "application/x-www-form-urlencoded"
VOICE = Report(
    product=Product.VOICE,
    app_id="EUCP-EMY-DDDD-3EEEE",
    message_id="1",
    custom_id="a",
    mobile="18566666666",
    state=CallState.SUCCESS,
    raw_state="SUCCESS",
    description="成功",
    called_at=datetime(2017, 3, 15, 12, tzinfo=BEIJING),
    duration=68.02,
)
JOIN = Report(
    product=Product.JOIN,
    app_id="EUCP-EMY-DDDD-3EEEE",
    message_id="2",
    custom_id="b",
    mobile="18566666667",
    state=CallState.FAIL,
    raw_state="2",
    description="fail",
    key_pressed="12",
)
entries = st.fixed_dictionaries(
    {"voiceId": st.text(min_size=1)}, optional={"state": st.text(), "mobile": st.integers(), "new": JSON}
)

pytestmark = pytest.mark.usefixtures("json_reader")


def broken(data: bytes) -> PushError:
    """Return the error of decoding what cannot be decoded."""
    with pytest.raises(PushError) as caught:
        decode_reports(data)
    assert caught.value.stage == "decode"
    return caught.value


class TestDecodeReports:
    """The JSON of a push."""

    @pytest.mark.parametrize("case", cases("document-2.?.4.*-push"))
    def test_the_examples(self, case: str) -> None:
        """The document's pushes, sealed and plain, have the same report twice."""
        assert decode_reports(blob(case)) == [DOCUMENTED, DOCUMENTED]

    def test_voice_sms(self) -> None:
        """The document's voice SMS reports, which have no push example, are read as a push."""
        reports = decode_reports(blob("document-2.4.2.2-reports-join"))
        assert [(one.product, one.state) for one in reports] == [
            (Product.JOIN, CallState.SUCCESS),
            (Product.JOIN, CallState.FAIL),
        ]

    @pytest.mark.parametrize(
        ("case", "expected"),
        [("push-bare-list", VOICE), ("push-bare-report", VOICE), ("push-data-object", JOIN)],
    )
    def test_variants(self, case: str, expected: Report) -> None:
        """A bare list, a report alone and one in place of the list are read."""
        assert decode_reports(blob(case)) == [expected]

    def test_both_products_side_by_side(self) -> None:
        """Each report tells by its id fields which product it is of, null ones aside."""
        reports = decode_reports(blob("push-side-by-side"))
        assert reports[:2] == [VOICE, JOIN]
        assert [(one.product, one.message_id, one.custom_id, one.mobile) for one in reports[2:]] == [
            (Product.VOICE, "3", "", ""),
            (Product.JOIN, "4", "", ""),
            (Product.JOIN, "", "e", ""),
            (Product.VOICE, "", "", "18566666668"),
            (Product.JOIN, "", "", "18566666669"),
        ]

    def test_broken_reports_are_carried(self) -> None:
        """The error carries the reports that can be read, and the others as they came."""
        error = broken(blob("push-broken"))
        assert error.reports == (VOICE, JOIN)
        assert [raw for raw, _ in error.broken] == [{"voiceId": "6", "callingDuration": "long"}, "noise", {}]
        assert all(reason for _, reason in error.broken)
        assert str(error) == "decode: some reports cannot be read"

    @pytest.mark.parametrize(
        "data",
        [b"[]", b'{"code":"SUCCESS"}', b'{"code":"SUCCESS","data":null}', b'{"data":[]}', b'{"data":null}'],
    )
    def test_no_reports(self, data: bytes) -> None:
        """A push without reports has none."""
        assert decode_reports(data) == []

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"x",
            b"{",
            b"[1,]",
            b"\xff",
            b"\x1f\x8b",
            b"[" * 100_000,
            b'{"data":' * 100_000,
            b'{"data":[' + b"9" * 5000 + b"]}",
            blob("document-2.1.4.2-plain-push").decode().encode("gbk"),
        ],
        ids=lambda data: repr(data[:16]),
    )
    def test_no_json(self, data: bytes) -> None:
        """What is no JSON of UTF-8, or too deep or too long a number, is a PushError that carries nothing."""
        error = broken(data)
        assert error.args == ("decode", "the data is not JSON", (), ())
        assert error.__suppress_context__

    @pytest.mark.parametrize(
        "data", [b"null", b"7", b'"x"', b"true", b'{"data":7}', b'{"data":"[]"}', b'{"data":true}']
    )
    def test_no_list(self, data: bytes) -> None:
        """JSON that has no list of reports is a PushError."""
        assert broken(data).reason == "the JSON holds no list of reports"

    @given(
        st.dictionaries(
            st.sampled_from(["voiceId", "joinId", "mobile"]) | st.text(max_size=8), JSON, max_size=4
        )
    )
    def test_an_object_of_another_kind(self, document: dict[str, object]) -> None:
        """An object with neither ``code`` nor ``data`` is one report, or is kept: it is never dropped."""
        document = {key: value for key, value in document.items() if key not in ("code", "data")}
        try:
            assert len(decode_reports(json.dumps(document).encode())) == 1
        except PushError as error:
            [(raw, _)] = error.broken
            assert json.dumps(raw) == json.dumps(document)

    @pytest.mark.parametrize("case", cases("document-*-push"))
    def test_truncated_at_every_byte(self, case: str) -> None:
        """A push that is cut off is never read in part."""
        whole = blob(case).strip()
        for length in range(len(whole)):
            assert broken(whole[:length]).reports == ()

    @given(st.lists(entries | usual_reports, max_size=4))
    def test_usual_reports(self, raw: list[object]) -> None:
        """Whatever reads the JSON, the reports are those that the objects give, one by one."""
        expected, unreadable = structure_reports(raw)
        try:
            reports, kept = decode_reports(json.dumps({"code": "SUCCESS", "data": raw}).encode()), 0
        except PushError as error:
            reports, kept = list(error.reports), len(error.broken)
        assert (reports, kept) == (list(expected), len(unreadable))

    @given(st.lists(entries | JSON, max_size=5), st.booleans())
    def test_nothing_is_lost(self, raw: list[object], bare: bool) -> None:
        """Each entry of any list is a report or is carried as it came."""
        data = json.dumps(raw if bare else {"code": "SUCCESS", "data": raw}).encode()
        try:
            reports, kept = decode_reports(data), 0
        except PushError as error:
            reports, kept = list(error.reports), len(error.broken)
            assert kept > 0
        assert len(reports) + kept == len(raw)

    @given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
    def test_any_bytes(self, data: bytes) -> None:
        """Any bytes are reports or a PushError of this stage."""
        try:
            reports = decode_reports(data)
        except PushError as error:
            assert error.stage == "decode"  # noqa: PT017 - either end is right
        else:
            assert all(isinstance(one, Report) for one in reports)

    def test_a_byte_order_mark(self) -> None:
        """A byte order mark before the JSON does no harm."""
        assert decode_reports(b"\xef\xbb\xbf" + blob("push-bare-list")) == [VOICE]


class TestDecodePush:
    """An encrypted push from end to end."""

    @pytest.mark.parametrize("case", cases("sealed-*"))
    def test_other_languages(self, case: str) -> None:
        """What Java and openssl sealed is the document's example again."""
        assert decode_push(blob(case), blob(case, "key.txt")) == [DOCUMENTED, DOCUMENTED]
        assert decode_push(blob(case), blob(case, "key.txt").decode()) == [DOCUMENTED, DOCUMENTED]

    @given(st.lists(entries, max_size=5))
    def test_the_three_steps(self, raw: list[object]) -> None:
        """It is decrypting, inflating and reading, one after the other."""
        data = json.dumps(raw).encode()
        assert decode_push(encrypt(compress(data), KEY), KEY) == decode_reports(data)

    @given(
        st.binary(min_size=16, max_size=16) | st.binary(min_size=24, max_size=24),
        st.binary(min_size=16, max_size=16) | st.binary(min_size=32, max_size=32),
    )
    def test_another_key(self, key: bytes, other: bytes) -> None:
        """With another key nothing comes out but a PushError."""
        sealed = encrypt(compress(blob("push-bare-list")), key)
        if key == other:
            assert decode_push(sealed, other) == [VOICE]
            return
        with pytest.raises(PushError) as caught:
            decode_push(sealed, other)
        assert caught.value.stage in ("decrypt", "inflate")

    @given(st.binary(max_size=80))
    @example(blob("push-bare-list"))
    @example(compress(blob("push-bare-list")))
    def test_any_bytes(self, body: bytes) -> None:
        """Bytes that nobody sealed are a PushError, whatever they are."""
        with pytest.raises(PushError):
            decode_push(body, KEY)

    @given(st.binary(max_size=80))
    def test_any_sealed_bytes(self, data: bytes) -> None:
        """Sealed with the right key, each later step has its own stage."""
        with pytest.raises(PushError) as caught:
            decode_push(encrypt(data, KEY), KEY)
        assert caught.value.stage == "inflate"
        try:
            decode_push(encrypt(compress(data), KEY), KEY)
        except PushError as error:
            assert error.stage == "decode"  # noqa: PT017 - digits may be JSON, and [] a push
        else:
            assert json.loads(data) is not None

    def test_the_bound(self) -> None:
        """``max_size`` is the size of the JSON, exactly."""
        data = blob("push-bare-list")
        sealed = encrypt(compress(data), KEY)
        assert decode_push(sealed, KEY, max_size=len(data)) == [VOICE]
        with pytest.raises(PushError) as caught:
            decode_push(sealed, KEY, max_size=len(data) - 1)
        assert caught.value.stage == "size"

    def test_a_wrong_length_of_key(self) -> None:
        """A key that no push can be sealed with is the caller's error."""
        with pytest.raises(InvalidRequestError, match="secret_key"):
            decode_push(bytes(16), "short")


class TestDecodePlainPush:
    """A push that anybody can send."""

    @pytest.mark.parametrize(
        "content_type",
        ["application/json", "application/json;charset=UTF-8", "text/plain", "", "nonsense", FORM],
    )
    def test_json(self, content_type: str) -> None:
        """JSON is read whatever it is called: Java's HttpURLConnection calls it a form unless told."""
        for case in ("document-2.1.4.2-plain-push", "push-bare-list"):
            assert decode_plain_push(blob(case), content_type) == decode_reports(blob(case))
            assert decode_plain_push(b"\r\n " + blob(case), content_type) == decode_reports(blob(case))

    def test_json_unless_told_otherwise(self) -> None:
        """Without a content type the body is JSON."""
        assert decode_plain_push(blob("push-bare-list")) == [VOICE]

    @pytest.mark.parametrize(
        "content_type", [FORM, FORM.upper(), f"{FORM};charset=UTF-8", f" {FORM} ; charset=utf-8"]
    )
    def test_a_form(self, content_type: str) -> None:
        """The field ``reports`` of a form that Java wrote has the document's example."""
        assert decode_plain_push(blob("push-form"), content_type) == [DOCUMENTED, DOCUMENTED]

    @given(st.lists(entries, max_size=5), st.sampled_from([quote, None]))
    def test_any_form(self, raw: list[object], how: object) -> None:
        """A form gives the reports of its JSON, blanks as ``+`` or as ``%20``, other fields aside."""
        data = json.dumps(raw, ensure_ascii=False, indent=1)
        data = json.dumps(raw) if any("\ud800" <= char <= "\udfff" for char in data) else data
        form = {"appId": "x", "reports": data, "sign": ""}
        body = urlencode(form, quote_via=quote) if how is quote else urlencode(form)
        assert decode_plain_push(body.encode(), FORM) == decode_reports(data.encode())

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"reports",
            b"reports=",
            b"Reports=[]",
            b"report=[]",
            b"reports=[]&reports=[]",
            b"a=1&" * 100 + b"reports=[]",
            b"reports=[]\xff",
            b"reports=[]&x=" + "成功".encode("gbk"),
        ],
        ids=lambda body: repr(body[:24]),
    )
    def test_no_such_field(self, body: bytes) -> None:
        """A form has the field exactly once, is UTF-8, and has 100 fields at most."""
        with pytest.raises(PushError) as caught:
            decode_plain_push(body, FORM)
        assert caught.value.args == ("decode", "the form has no single field of reports", (), ())

    def test_a_hundred_fields(self) -> None:
        """A form may have 99 fields beside the reports."""
        assert decode_plain_push(b"a=1&" * 99 + b"reports=[]", FORM) == []

    def test_broken_reports_are_carried(self) -> None:
        """A form, too, carries the reports that can be read."""
        with pytest.raises(PushError) as caught:
            decode_plain_push(urlencode({"reports": blob("push-broken").decode()}).encode(), FORM)
        assert caught.value.reports == (VOICE, JOIN)
        assert len(caught.value.broken) == 3

    @given(
        st.binary() | st.text().map(lambda text: f"reports={text}".encode("utf-8", "surrogatepass")),
        st.text(),
    )
    @example(b"reports=%FF", FORM)
    @example(b"reports=%ED%A0%80", FORM)
    def test_any_bytes(self, body: bytes, content_type: str) -> None:
        """Any bytes under any content type are reports or a PushError."""
        for kind in (content_type, FORM):
            try:
                reports = decode_plain_push(body, kind)
            except PushError as error:
                assert error.stage == "decode"  # noqa: PT017 - either end is right
            else:
                assert all(isinstance(one, Report) for one in reports)


class TestModule:
    """What the module offers."""

    def test_the_steps_are_here_too(self) -> None:
        """The steps of decoding can all be imported from one place."""
        assert push.decrypt is sealing.decrypt
        assert push.gunzip is sealing.gunzip
        assert set(push.__all__) == {
            "decode_plain_push",
            "decode_push",
            "decode_reports",
            "decrypt",
            "gunzip",
        }
