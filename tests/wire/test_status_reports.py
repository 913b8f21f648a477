"""Many status reports: the fast route gives the reports of the tolerant route."""

from math import inf, nan
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from samples.strategies import JSON, raw_reports

from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.results import Report
from emay_voice_async.wire.fields import REPORT_FIELDS, UNREADABLE
from emay_voice_async.wire.report_rows import PUSH_LAYOUTS, REPORT_LAYOUTS
from emay_voice_async.wire.status_reports import read_report_rows, structure_reports
from emay_voice_async.wire.structuring import structure_report

USUAL: dict[str, Any] = {
    "appId": "a",
    "voiceId": "1",
    "customVoiceId": "c",
    "mobile": "13800000000",
    "state": "SUCCESS",
    "message": "成功",
    "callingTime": "2026-03-02 08:00:00",
    "callingDuration": 1.5,
    "keyContent": None,
    "voiceSign": None,
}
EXAMPLE = {name: value for name, value in USUAL.items() if name not in ("keyContent", "voiceSign")}
JOIN_EXAMPLE = {
    "appId": "a", "joinId": "1", "customJoinId": "c", "state": " 4 ", "desc": "success", "mobile": "13800000000",
    "keyContent": "12", "voiceSign": "",
}  # fmt: skip
JOIN_LAYOUT = REPORT_LAYOUTS[Product.JOIN]
SHAPES: dict[str, list[dict[str, Any]]] = {
    "every field": [USUAL],
    "the example of 2.1.2.2": [EXAMPLE | {"state": " SUCCESS "}],
    "the example of 2.4.2.2": [JOIN_EXAMPLE],
    "nulls": [dict.fromkeys(USUAL) | {"voiceId": "1"}, USUAL],
    "missing fields": [{"voiceId": "1"}, EXAMPLE, USUAL],
    "the same number of other fields": [EXAMPLE, {**EXAMPLE, "keyContent": "1"} | {"voiceSign": ""}, JOIN_EXAMPLE],
    "one field replaced by another": [{"voiceId": "1", "mobile": "1"}, {"voiceId": "2", "state": "TIMEOUT"}],
    "numbers as text": [USUAL | {"callingDuration": " 68.02 ", "keyContent": "12"}],
    "text as numbers": [USUAL | {"voiceId": 2017039283383389110, "mobile": 13800000000, "state": 4, "appId": 1}],
    "whole floats": [USUAL | {"state": 4.0, "keyContent": 1.0, "voiceId": 7.0}],
    "unknown states": [USUAL | {"state": f"FAIL_NEW_{number}"} for number in range(3)],
    "states that are equal and differ": [USUAL | {"state": state} for state in ("4", 4, 4.0, 1, True, " 4", None)],
    "keys that are equal and differ": [USUAL | {"keyContent": key} for key in ("1", 1.0, True, 1, " 1", None, "")],
    "times that are equal and differ": [
        USUAL | {"callingTime": time}
        for time in (20260302080000, 20260302080000.0, 1772409600, 1772409600.0, "2026-03-02 08:00:00", None,
                     "2026-03-02 08:00:00", "2026-03-02 08:00:00", "1772409600", "null", "null", "2099-01-01 00:00:00",
                     "1999-12-31 23:59:59")
    ],
    "a field beyond the document in place of others": [EXAMPLE | {"callType": 3}] * 2,
    "an id of another product beyond the document": [JOIN_EXAMPLE, JOIN_EXAMPLE | {"customVoiceId": None}],
    "an id that counts more beyond the document": [JOIN_EXAMPLE, JOIN_EXAMPLE | {"voiceId": "1"}],
    "an id of another product in place of a field": [
        JOIN_EXAMPLE, {**JOIN_EXAMPLE, "voiceId": "1"} | {"desc": ""}, {"voiceId": "2", **dict.fromkeys("abcdefg")},
    ],
    "an id that counts more in place of a field": [
        dict.fromkeys(JOIN_LAYOUT.names) | {"joinId": "1", "customJoinId": "c"},
        {name: None for name in JOIN_LAYOUT.names if name != "voiceSign"} | {"joinId": "2", "voiceId": "3"},
    ],
    "numbers of the length of a time": [USUAL | {"callingTime": "201703151200000.000"}, USUAL],
    "the end of a number": [USUAL | {"callingDuration": value} for value in (inf, -inf, nan, 1e308, -0.0, 5, True)],
    "a field beyond the document": [USUAL | {"callType": 3, "extra": {"a": [1]}}],
    "mixed products": [JOIN_EXAMPLE, USUAL, JOIN_EXAMPLE, {"mobile": "1"}, {"joinId": None, "mobile": "1"}],
    "recordings": [USUAL | {"voiceSign": written} for written in ("YWJj", [97, 98, 99], "", [], None, "null", "NONE")],
    "unreadable fields": [
        USUAL | {"callingTime": "0000-00-00 00:00:00"}, USUAL | {"callingDuration": "long"}, USUAL,
        USUAL | {"voiceSign": "https://example.com/1.wav"}, USUAL | {"mobile": {}, "state": []},
    ],
    "empty ids": [USUAL | {"voiceId": ""}, USUAL | {"voiceId": None}, USUAL | {"voiceId": {}}],
}  # fmt: skip
odd_ids = st.fixed_dictionaries({"voiceId": JSON, "mobile": JSON})
products = st.none() | st.sampled_from(Product)


def one_by_one(raw: list[Any], product: Product | None) -> tuple[list[Report], list[tuple[object, str]]]:
    """Read each entry by the tolerant route."""
    reports, broken = [], []
    for entry in raw:
        try:
            reports.append(structure_report(entry, product))
        except UNREADABLE as error:
            broken.append((entry, str(error)))
    return reports, broken


def fast(raw: list[Any], product: Product | None) -> tuple[list[Report], list[tuple[object, str]]]:
    """Read the entries by the fast route."""
    reports, broken = structure_reports(raw, product)
    assert {type(report) for report in reports} <= {Report}
    return list(reports), list(broken)


class TestStructureReports:
    """Entries of a page."""

    @pytest.mark.parametrize("product", [None, *Product])
    @pytest.mark.parametrize("raw", SHAPES.values(), ids=SHAPES)
    def test_shapes(self, raw: list[dict[str, Any]], product: Product | None) -> None:
        """Each shape gives the reports of the tolerant route, alone and in a page of its kind."""
        for page in (raw, raw * 3, raw[::-1], [USUAL, *raw]):
            assert repr(fast(page, product)) == repr(one_by_one(page, product))
            assert fast(page, product)[0] == one_by_one(page, product)[0]

    @given(st.lists(raw_reports, max_size=4), products)
    def test_any_page(self, raw: list[dict[str, object]], product: Product | None) -> None:
        """A page of reports with a few unusual values gives the reports of the tolerant route."""
        assert fast(raw, product) == one_by_one(raw, product)

    @given(
        st.lists(JSON | raw_reports | st.fixed_dictionaries({"voiceId": JSON, "mobile": JSON}), max_size=5),
        products,
    )
    @example([{}], Product.VOICE)
    @example([{"x": 1}, {"y": 1}], None)
    def test_no_entry_is_lost(self, raw: list[object], product: Product | None) -> None:
        """Each entry is a report, or is kept as it is with a reason, in the order of the entries."""
        reports, broken = structure_reports(raw, product)
        assert len(reports) + len(broken) == len(raw)
        left = iter(raw)
        assert all(any(entry is value for entry in left) for value, _ in broken)
        assert all(reason for _, reason in broken)

    @pytest.mark.parametrize("odd", [None, [], "x", 1, True], ids=repr)
    @pytest.mark.parametrize("product", [None, *Product])
    def test_an_entry_that_is_no_object(self, odd: object, product: Product | None) -> None:
        """A value that is no object is broken, and the entries around it are read."""
        usual = {"voiceId": "1", "joinId": "1", "mobile": "13800000000"}
        reports, [(value, _)] = structure_reports([usual, odd, usual], product)
        assert reports == (structure_report(usual, product),) * 2
        assert value is odd


class TestReadReportRows:
    """Entries that come as rows of values."""

    @given(st.lists(raw_reports, max_size=4), st.sampled_from(Product))
    def test_equal_to_objects(self, raw: list[dict[str, object]], product: Product) -> None:
        """Rows give the reports of the objects, or None."""
        rows = [tuple(map(entry.get, REPORT_LAYOUTS[product].names)) for entry in raw]
        found = read_report_rows(rows, product)
        assert found is None or (list(found), []) == one_by_one(raw, product)

    @given(st.lists(raw_reports, max_size=4))
    def test_rows_of_both_products(self, raw: list[dict[str, object]]) -> None:
        """Rows with the fields of both products give the reports of the objects, or None."""
        [layout] = [layout for product, layout in PUSH_LAYOUTS if product is None]
        found = read_report_rows([tuple(map(entry.get, layout.names)) for entry in raw], None)
        assert found is None or (list(found), []) == one_by_one(raw, None)

    def test_usual_rows_of_both_products(self) -> None:
        """Usual rows of both products are read in their order; a row without an id is not."""
        [layout] = [layout for product, layout in PUSH_LAYOUTS if product is None]
        raw = [JOIN_EXAMPLE, USUAL, USUAL | {"voiceId": "2"}, JOIN_EXAMPLE | USUAL, JOIN_EXAMPLE]
        rows = [tuple(map(entry.get, layout.names)) for entry in raw]
        assert read_report_rows(rows, None) == tuple(one_by_one(raw, None)[0])
        assert read_report_rows([*rows, (None,) * len(layout.names)], None) is None

    @pytest.mark.parametrize("product", Product)
    def test_usual_rows(self, product: Product) -> None:
        """Rows of usual values are read."""
        names = REPORT_LAYOUTS[product].names
        assert names == tuple(dict.fromkeys(field.wire for field in REPORT_FIELDS[product]))
        row = ("a", "1", "c", "13800000000", " SUCCESS ", "成功", "2026-03-02 08:00:00", "68.02", "12", "")
        raw = dict(zip(names, row, strict=True))
        assert read_report_rows([row], product) == (structure_report(raw, product),)
