"""The responses to pushes."""

import pytest

from emay_voice_async.receiver import PushResponse, responses

RESPONSES = [value for value in vars(responses).values() if isinstance(value, PushResponse)]


@pytest.mark.parametrize("response", RESPONSES, ids=lambda response: response.text)
def test_all_responses_are_short_texts(response: PushResponse) -> None:
    """The service gets a plain text, and only 200 confirms."""
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text.encode() == response.body
    assert (response.status == 200) == (response.text == "success")


def test_each_status_is_used_once() -> None:
    """A status has one meaning."""
    assert sorted(response.status for response in RESPONSES) == [200, 400, 403, 405, 408, 413, 500, 503]
