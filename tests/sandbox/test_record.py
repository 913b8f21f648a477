"""Records of the local service."""

import pytest

from emay_voice_async.model.endpoints import Product
from emay_voice_async.sandbox.record import MadeCall, keep_last
from sandbox.by_hand import ENDPOINT, MOBILE, NOW


@pytest.mark.parametrize(
    ("keep", "kept"), [(None, [1, 2, 3]), (0, []), (1, [3]), (3, [1, 2, 3]), (9, [1, 2, 3])]
)
def test_the_last_records_are_kept(keep: int | None, kept: list[int]) -> None:
    """The oldest records beyond ``keep`` are dropped, in place."""
    records = [1, 2, 3]
    keep_last(records, keep)
    assert records == kept


def test_a_call_names_its_endpoint() -> None:
    """Path and product of a call are those of its endpoint."""
    call = MadeCall(NOW, "A", ENDPOINT["/join/send"], MOBILE, "1", None, "hello")
    assert (call.path, call.product) == ("/join/send", Product.JOIN)
