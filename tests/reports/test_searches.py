"""Searches for the reports of single calls."""

import pytest

from emay_voice_async import InvalidRequestError, Product, Recipient, Report, Ticket
from emay_voice_async.reports.searches import Search, ids_of, search_for

MOBILE, OTHER = "13800000000", "13900000000"


def test_the_ids_of_a_report() -> None:
    """A report is found by message id and custom id; without a message id, also as nameless."""
    assert ids_of(Report(Product.VOICE, "", "m", "c")) == [("message", "m"), ("custom", "c")]
    assert ids_of(Report(Product.VOICE, "", "", "c")) == [("custom", "c"), ("nameless", "c")]
    assert ids_of(Report(Product.VOICE, mobile=MOBILE)) == []


def test_searches() -> None:
    """A ticket is searched by message id, without a message id by custom id; a str is a custom id."""
    assert search_for(Ticket(MOBILE, "m1", "c")) == Search((("message", "m1"), ("nameless", "c")), MOBILE)
    assert search_for(Ticket(MOBILE, "m1", "")) == Search((("message", "m1"),), MOBILE)
    assert search_for(Ticket(MOBILE, "", "c")) == Search((("custom", "c"),), MOBILE)
    assert search_for(Recipient(MOBILE, "c"), Product.JOIN) == Search(
        (("custom", "c"),), MOBILE, Product.JOIN
    )
    assert search_for("c") == Search((("custom", "c"),))


@pytest.mark.parametrize("awaited", ["", None, 5, b"c", Ticket(MOBILE, "", ""), Recipient(MOBILE)])
def test_unusable_searches(awaited: object) -> None:
    """A value without an id is refused."""
    with pytest.raises(InvalidRequestError, match=r"^awaited: must be a Ticket or a custom id"):
        search_for(awaited)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("search", "mobile", "product", "accepted"),
    [
        (Search((), MOBILE), MOBILE, Product.VOICE, True),
        (Search((), MOBILE), OTHER, Product.VOICE, False),
        (Search((), MOBILE), f"86{MOBILE}", Product.VOICE, True),
        (Search((), MOBILE), f"+86{OTHER}", Product.VOICE, False),
        (Search((), f"+86{MOBILE}"), MOBILE, Product.VOICE, True),
        (Search((), MOBILE), "", Product.VOICE, True),
        (Search(()), OTHER, Product.VOICE, True),
        (Search((), MOBILE, Product.VOICE), MOBILE, Product.VOICE, True),
        (Search((), MOBILE, Product.VOICE), MOBILE, Product.JOIN, False),
        (Search((), "", Product.JOIN), OTHER, Product.JOIN, True),
    ],
)
def test_number_and_product(search: Search, mobile: str, product: Product, *, accepted: bool) -> None:
    """A report with the custom id is accepted if number and product, as far as known, are equal."""
    report = Report(product, message_id="m", custom_id="c", mobile=mobile)
    assert search.accepts(("custom", "c"), report) is accepted
    same_product = search.product in (None, product)
    assert search.accepts(("message", "m"), report) is same_product
