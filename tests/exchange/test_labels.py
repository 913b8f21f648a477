"""The ids and labels of requests."""

from emay_voice_async.exchange.labels import Ids, RequestLabel


def test_ids_are_unique() -> None:
    """No two ids are equal, of one maker or of two."""
    one, other = Ids(), Ids()
    found = [maker.new() for maker in (one, other) for _ in range(1000)]
    assert len(set(found)) == 2000
    prefix, _, number = found[0].partition("-")
    assert (len(prefix), number) == (8, "1")


def test_the_label_in_a_log_record() -> None:
    """The fields have the names of the fields of events."""
    label = RequestLabel("a-1.0", "a-1", 500)
    assert label.extra() == {
        "emay_request_id": "a-1.0",
        "emay_send_id": "a-1",
        "emay_numbers": 500,
        "emay_attempt": 0,
    }
