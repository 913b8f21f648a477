"""The table of endpoints against the parameter tables of the document."""

import pytest
from samples import table

from emay_voice_async.model import endpoints
from emay_voice_async.model.endpoints import ENDPOINTS, Call, Endpoint, Product

ROWS = {path: (asked.split(" "), told.split(" ")) for _, path, asked, told in table("endpoints")}
each_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.path)


class TestEndpoints:
    """Each endpoint, field by field."""

    def test_all_paths(self) -> None:
        """The paths are exactly the paths of the document, each once."""
        assert sorted(endpoint.path for endpoint in ENDPOINTS) == sorted(ROWS)
        assert len(ROWS) == 8

    @each_endpoint
    def test_requests(self, endpoint: Endpoint) -> None:
        """Each request has timestamp, numbers and custom ids as in the document."""
        asked, _ = ROWS[endpoint.path]
        assert endpoint.stamped == ("timestamp" in asked)
        assert endpoint.mobiles in asked or endpoint.call is not Call.SEND
        assert endpoint.custom_ids in asked or endpoint.call is not Call.SEND
        assert ("number" in asked) == (endpoint.call is Call.REPORTS)

    @each_endpoint
    def test_answers(self, endpoint: Endpoint) -> None:
        """The id fields of a response have the document's names."""
        _, told = ROWS[endpoint.path]
        if endpoint.call is not Call.BALANCE:
            assert {endpoint.message_id, endpoint.custom_id} <= set(told)
        if endpoint.call is Call.REPORTS:
            assert endpoint.description in told

    @each_endpoint
    def test_products(self, endpoint: Endpoint) -> None:
        """The first part of a path names the product."""
        assert endpoint.path.startswith(f"/{endpoint.product.value}/")

    def test_every_product_has_every_kind_of_call(self) -> None:
        """Each product has a send, a getReport and a getBalance."""
        assert {(end.product, end.call) for end in ENDPOINTS} == {
            (product, call) for product in Product for call in Call
        }

    @each_endpoint
    def test_batches(self, endpoint: Endpoint) -> None:
        """A request with a list field takes 500 numbers, every other request a single number."""
        assert endpoint.max_batch == (500 if endpoint.mobiles == "mobiles" else 1)

    def test_endpoints_are_constants(self) -> None:
        """An endpoint is hashable and frozen."""
        assert len(set(ENDPOINTS)) == 8
        with pytest.raises(AttributeError):
            ENDPOINTS[0].path = "/elsewhere"  # type: ignore[misc]


class TestNumbers:
    """The numbers of the document."""

    @pytest.mark.parametrize(
        ("name", "number"),
        [
            ("MAX_BATCH", 500),
            ("MAX_CONTENT", 200),
            ("MAX_TOTAL_CONTENT", 500),
            ("MAX_CUSTOM_ID", 64),
            ("MAX_REPORTS", 1000),
            ("CODE_LENGTHS", (4, 6)),
            ("MIN_CONNECTED", 6),
            ("MAX_CONNECTED", 60),
            ("CLOCK_SKEW", 60),
        ],
    )
    def test_numbers(self, name: str, number: object) -> None:
        """Each limit is the document's."""
        assert getattr(endpoints, name) == number
