"""Pushes: the document's own, variants, damaged and hostile ones."""

import json
import tracemalloc
from collections.abc import Callable
from datetime import datetime
from urllib.parse import quote, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from samples import DOCUMENTED, blob, cases
from samples.strategies import JSON, raw_reports

from emay_voice_async import push
from emay_voice_async.errors import InvalidRequestError, PushError
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.codes import CallState
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.results import Report
from emay_voice_async.push import decode_plain_push, decode_push, decode_reports
from emay_voice_async.wire import compression, encryption
from emay_voice_async.wire.compression import compress
from emay_voice_async.wire.damaged_json import without_surrogates
from emay_voice_async.wire.encryption import encrypt
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
    """Return the error of decoding a push that cannot be decoded."""
    with pytest.raises(PushError) as caught:
        decode_reports(data)
    assert caught.value.stage == "decode"
    return caught.value


class TestDecodeReports:
    """The JSON of a push."""

    @pytest.mark.parametrize("case", cases("document-2.?.4.*-push"))
    def test_the_examples(self, case: str) -> None:
        """The document's pushes, encrypted and plain, have the same report twice."""
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
        """A bare list, a single report, and a report in place of the list are read."""
        assert decode_reports(blob(case)) == [expected]

    def test_both_products_side_by_side(self) -> None:
        """The id fields of a report that are not null tell its product."""
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
        """The error carries the readable reports, and the raw values of the others."""
        error = broken(blob("push-broken"))
        assert error.reports == (VOICE, JOIN)
        assert [raw for raw, _ in error.broken] == [{"voiceId": [6], "callingDuration": "long"}, "noise", {}]
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
            b"[1,",
            b"\xff",
            b"\x1f\x8b",
            b"[" * 100_000,
            b'{"data":' * 100_000,
            b'{"data":[{"a":' + b"9" * 5000,
        ],
        ids=lambda data: repr(data[:16]),
    )
    def test_no_json(self, data: bytes) -> None:
        """A text that is no JSON, is cut off or is too deep is a PushError without reports."""
        error = broken(data)
        assert error.args == ("decode", "the data is not JSON", (), (), 0)
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
        """An object with neither ``code`` nor ``data`` is one report, or is kept."""
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

    def test_an_unreadable_field(self) -> None:
        """A report with a field that cannot be read is handed out, with the raw value of the field."""
        odd = {"callingTime": "0000-00-00 00:00:00", "voiceSign": "https://example.com/1.wav"}
        raw = {"voiceId": "1", "mobile": "13800000000", "state": "SUCCESS", "callingDuration": "68秒", **odd}
        [report] = decode_reports(json.dumps([raw]).encode())
        assert (report.message_id, report.mobile, report.state) == ("1", "13800000000", CallState.SUCCESS)
        assert (report.called_at, report.recording, report.duration) == (None, None, 68.0)
        assert report.unreadable == odd

    @pytest.mark.parametrize("form", [False, True])
    @pytest.mark.parametrize(
        "damage",
        [
            lambda text: text.encode("gbk"),
            lambda text: text.encode().replace("了".encode(), "了".encode()[:2]),
            lambda text: text.replace("了", "\n").encode(),
            lambda text: text.replace("了", "\x01").encode(),
            lambda text: text.replace("了", "\\ud800").encode(),
            lambda text: text.encode().replace("了".encode(), b"\xed\xa0\x80"),
            lambda text: text.replace("了", "C:\\x").encode(),
            lambda text: b"\xef\xbb\xbf" + text.encode("gbk"),
            lambda text: text.encode() + b"\0\0\0",
            lambda text: text.replace("}]", "},]").encode(),
            lambda text: text.replace('"1"', "9" * 5000).encode(),
        ],
    )
    def test_a_damaged_text(self, damage: Callable[[str], bytes], form: bool) -> None:
        """Each report of a damaged text is handed out, from a JSON body and from a form alike."""
        raw = [{"voiceId": f"{number}", "state": "SUCCESS", "message": "成功了"} for number in range(3)]
        data = damage(json.dumps({"code": "SUCCESS", "data": raw}, ensure_ascii=False))
        reports = (
            decode_plain_push(b"reports=" + quote(data).encode(), FORM) if form else decode_reports(data)
        )
        assert [report.message_id[:1] for report in reports] in (["0", "1", "2"], ["0", "9", "2"])
        assert all(report.succeeded for report in reports)
        assert all(report.description.encode() for report in reports)

    def test_text_after_the_json(self) -> None:
        """Text after the JSON is carried beside the reports, and more JSON is read."""
        error = broken(blob("push-bare-list").strip() + b"<!-- x -->")
        assert error.reports == (VOICE,)
        assert [raw for raw, _ in error.broken] == ["<!-- x -->"]
        assert decode_reports(blob("push-bare-list") * 2) == [VOICE, VOICE]

    @pytest.mark.slow
    @pytest.mark.parametrize("entry", [b"[]", b"{}", b"1", b'""', b'{"voiceId":"1"}'])
    def test_too_many_entries(self, entry: bytes) -> None:
        """A push of more than 10,000 entries is refused, and 10,000 are read."""
        most = b"[" + b",".join([entry] * 10_000) + b"]"
        found = len(decode_reports(most)) if b"voiceId" in entry else broken(most).broken_count
        assert found == 10_000
        error = broken(b"[" + b",".join([entry] * 10_001) + b"]")
        assert (error.reason, error.reports) == ("the push has too many entries", ())

    @pytest.mark.slow
    @pytest.mark.parametrize("number", [15 << 10, 64 << 10, 1 << 24])
    @pytest.mark.parametrize("entry", [b"[],", b"{},", b"[[],", b'{"":'])
    def test_small_entries(self, entry: bytes, number: int) -> None:
        """A text of small entries is refused without an object for each entry."""
        data = b"[" + entry * (number // len(entry)) + b"1]"
        tracemalloc.start()
        try:
            with pytest.raises(PushError) as caught:
                decode_reports(data)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # An object takes 56 bytes or more. Copies of the text, and up to 10,000 entries, are allowed.
        assert peak < 3 * len(data) + 10_000 * 300
        assert len(caught.value.broken) <= 100

    def test_the_number_of_reports(self) -> None:
        """``max_reports`` is a setting, at least 1."""
        body = b'[{"voiceId":"1"},{"voiceId":"2"}]'
        assert len(decode_reports(body, max_reports=2)) == 2
        decoders: list[Callable[[int], object]] = [
            lambda most: decode_reports(body, max_reports=most),
            lambda most: decode_plain_push(body, max_reports=most),
            lambda most: decode_push(encrypt(compress(body), KEY), KEY, max_reports=most),
        ]
        for decode in decoders:
            with pytest.raises(PushError, match="too many entries"):
                decode(1)
            with pytest.raises(InvalidRequestError, match="max_reports"):
                decode(0)

    def test_many_broken_entries(self) -> None:
        """An error holds the first 100 broken entries, counts all, and carries each report."""
        error = broken(json.dumps([*range(1234), {"voiceId": "1"}]).encode())
        assert [raw for raw, _ in error.broken] == list(range(100))
        assert error.broken_count == 1234
        assert [report.message_id for report in error.reports] == ["1"]

    @given(st.lists(entries | raw_reports, max_size=4))
    def test_raw_reports(self, raw: list[object]) -> None:
        """Each reader of JSON gives the reports of the objects."""
        expected, unreadable = structure_reports(without_surrogates(raw))
        try:
            reports, kept = decode_reports(json.dumps({"code": "SUCCESS", "data": raw}).encode()), 0
        except PushError as error:
            reports, kept = list(error.reports), len(error.broken)
        assert (repr(reports), kept) == (repr(list(expected)), len(unreadable))

    @given(st.lists(entries | JSON, max_size=5), st.booleans())
    def test_no_entry_is_lost(self, raw: list[object], bare: bool) -> None:
        """Each entry of a list is a report or is carried as a raw value."""
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
        """Pushes that Java and openssl encrypted are the document's example."""
        assert decode_push(blob(case), blob(case, "key.txt")) == [DOCUMENTED, DOCUMENTED]
        assert decode_push(blob(case), blob(case, "key.txt").decode()) == [DOCUMENTED, DOCUMENTED]

    @given(st.lists(entries, max_size=5))
    def test_the_three_steps(self, raw: list[object]) -> None:
        """A push is decrypted, inflated and read, in this order."""
        data = json.dumps(raw).encode()
        assert decode_push(encrypt(compress(data), KEY), KEY) == decode_reports(data)

    @given(
        st.binary(min_size=16, max_size=16) | st.binary(min_size=24, max_size=24),
        st.binary(min_size=16, max_size=16) | st.binary(min_size=32, max_size=32),
    )
    def test_another_key(self, key: bytes, other: bytes) -> None:
        """Another key gives a PushError."""
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
        """Bytes that were not encrypted are a PushError."""
        with pytest.raises(PushError):
            decode_push(body, KEY)

    @given(st.binary(max_size=80))
    def test_any_sealed_bytes(self, data: bytes) -> None:
        """After the decryption, each later step has a stage of its own."""
        with pytest.raises(PushError) as caught:
            decode_push(encrypt(data, KEY), KEY)
        assert caught.value.stage == "inflate"
        try:
            decode_push(encrypt(compress(data), KEY), KEY)
        except PushError as error:
            assert error.stage == "decode"  # noqa: PT017 - digits may be JSON, and [] a push
        else:
            assert data

    def test_the_bound(self) -> None:
        """``max_size`` is the size of the JSON, exactly."""
        data = blob("push-bare-list")
        sealed = encrypt(compress(data), KEY)
        assert decode_push(sealed, KEY, max_size=len(data)) == [VOICE]
        with pytest.raises(PushError) as caught:
            decode_push(sealed, KEY, max_size=len(data) - 1)
        assert caught.value.stage == "size"

    def test_a_wrong_length_of_key(self) -> None:
        """A key of a wrong length is an InvalidRequestError."""
        with pytest.raises(InvalidRequestError, match="secret_key"):
            decode_push(bytes(16), "short")


class TestDecodePlainPush:
    """A push without encryption."""

    @pytest.mark.parametrize(
        "content_type",
        ["application/json", "application/json;charset=UTF-8", "text/plain", "", "nonsense", FORM],
    )
    def test_json(self, content_type: str) -> None:
        """JSON is read under each content type: Java's HttpURLConnection says a form by default."""
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
        """The field ``reports`` of a form by Java has the document's example."""
        assert decode_plain_push(blob("push-form"), content_type) == [DOCUMENTED, DOCUMENTED]

    @given(st.lists(entries, max_size=5), st.sampled_from([quote, None]))
    def test_any_form(self, raw: list[object], how: object) -> None:
        """A form gives the reports of the JSON, with blanks as ``+`` or ``%20``; other fields are ignored."""
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
        ],
        ids=lambda body: repr(body[:24]),
    )
    def test_no_such_field(self, body: bytes) -> None:
        """A form without exactly one such field, or with more than 100 fields, is a PushError."""
        with pytest.raises(PushError) as caught:
            decode_plain_push(body, FORM)
        assert caught.value.args == ("decode", "the form has no single field of reports", (), (), 0)

    def test_a_hundred_fields(self) -> None:
        """A form may have 99 fields beside the reports."""
        assert decode_plain_push(b"a=1&" * 99 + b"reports=[]", FORM) == []

    def test_broken_reports_are_carried(self) -> None:
        """A form carries the readable reports, too."""
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
    """The names of the module."""

    def test_the_steps_are_here_too(self) -> None:
        """The steps of decoding can all be imported from one place."""
        assert push.decrypt is encryption.decrypt
        assert push.gunzip is compression.gunzip
        assert set(push.__all__) == {
            "decode_plain_push",
            "decode_push",
            "decode_reports",
            "decrypt",
            "gunzip",
        }
