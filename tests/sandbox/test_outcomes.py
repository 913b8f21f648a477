"""The magic numbers."""

import math
import re
from collections import Counter
from typing import Any

import pytest

from emay_voice_async.model.codes import JOIN_STATES, VOICE_STATES
from emay_voice_async.sandbox import outcomes
from emay_voice_async.sandbox.outcomes import ANSWERED, MAGIC_NUMBERS, Callees, listed_outcome, outcome_of


@pytest.mark.parametrize(
    ("digits", "state", "join_state"),
    [
        ("0000", "SUCCESS", "4"),
        ("0001", "FAIL_CALL", "2"),
        ("0002", "FAIL_ERROR_VOICE", "2"),
        ("0003", "FAIL_UNKNOWN", "2"),
        ("0004", "TIMEOUT", "3"),
        ("0005", "FAIL_NEEDMORE_BALANCE", "2"),
        ("0006", "FAIL_MOBILE", "2"),
        ("0007", "FAIL_BLACKDICTIONARY", "2"),
        ("0008", "FAIL_AUDITINGFAIL", "2"),
        ("0009", "FAIL_APPID", "2"),
        ("0010", "SUCCESS", "4"),
        ("0011", "SUCCESS", "4"),
        ("0014", "SUCCESS", "4"),
    ],
)
def test_the_last_four_digits_decide(digits: str, state: str, join_state: str) -> None:
    """Each magic number has its outcome, in the states of both products."""
    ending = outcome_of(f"1390000{digits}", "hello")
    assert ending is not None
    assert (ending.state, ending.join_state) == (state, join_state)


def test_every_listed_state_has_a_number() -> None:
    """Each state of tables 3.1 and 3.3 has a magic number."""
    endings = [ending for ending in (*MAGIC_NUMBERS.values(), ANSWERED) if ending is not None]
    assert {ending.state for ending in endings} >= set(VOICE_STATES)
    assert {ending.join_state for ending in endings} >= set(JOIN_STATES)


def test_an_unlisted_state() -> None:
    """0012 ends in a state outside the document, for both products."""
    ending = outcome_of("13900000012", "hello")
    assert ending is not None
    assert ending.state not in VOICE_STATES
    assert ending.join_state not in JOIN_STATES


def test_keys_and_recordings() -> None:
    """0010 presses 1 and leaves a recording with bytes that Java calls negative; 0011 presses 2."""
    pressed, other = outcome_of("13900000010", "hello"), outcome_of("13900000011", "hello")
    assert pressed is not None
    assert pressed.recording is not None
    assert other is not None
    assert (pressed.key, other.key, other.recording) == ("1", "2", None)
    assert max(pressed.recording) > 127


def test_some_never_report() -> None:
    """0013 has no outcome."""
    assert outcome_of("13900000013", "hello") is None


@pytest.mark.parametrize("mobile", ["13900000000", "13900000013", "12"])
def test_black_words_stop_every_number(mobile: str) -> None:
    """The black word decides before the number."""
    ending = outcome_of(mobile, "有黑词的内容")
    assert ending is not None
    assert ending.state == "FAIL_BLACKDICTIONARY"


@pytest.mark.parametrize("mobile", ["", "0001", "23900000000", "139000000000", "1390000000１"])
def test_a_bad_number_cannot_be_called(mobile: str) -> None:
    """A bad number in an accepted list ends in FAIL_MOBILE."""
    ending = outcome_of(mobile, "hello")
    assert ending is not None
    assert (ending.state, ending.message, ending.duration) == ("FAIL_MOBILE", "手机号错误", None)


def test_the_docstring_has_the_table() -> None:
    """The documented table is the table in force."""
    rows = re.findall(r"^(\d{4}) +(.*)$", outcomes.__doc__ or "", re.MULTILINE)
    assert [digits for digits, _ in rows] == list(MAGIC_NUMBERS)
    for digits, text in rows:
        ending = MAGIC_NUMBERS[digits]
        if ending is None:
            assert text == "no report ever comes"
        else:
            assert ending.state in text or text.startswith("a state that the API document does not list")


class TestCallees:
    """What people do whose number is not magic."""

    @pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
    def test_shares(self, rate: float) -> None:
        """The shares hold in a row of calls, wherever it begins."""
        callees = Callees(answer_rate=rate, keys={"1": 0.6, "2": 0.2})
        for start in (0, 12345):
            found = Counter((one.state, one.key) for one in map(callees.outcome, range(start, start + 1000)))
            wanted = {("SUCCESS", "1"): 0.6, ("SUCCESS", "2"): 0.2, ("SUCCESS", None): 0.2}
            for case, share in wanted.items():
                assert found[case] == pytest.approx(1000 * rate * share, abs=3)
            assert found["FAIL_CALL", None] == pytest.approx(1000 * (1 - rate), abs=3)

    def test_all_press(self) -> None:
        """Shares that are 1 together leave nobody without a key."""
        callees = Callees(keys={str(key): 0.1 for key in range(10)})
        assert None not in {callees.outcome(place).key for place in range(5000)}

    @pytest.mark.parametrize(
        "wrong",
        [
            {"answer_rate": -0.1},
            {"answer_rate": 1.1},
            {"answer_rate": math.nan},
            {"keys": {"*": 0.1}},
            {"keys": {"1": 0.6, "2": 0.5}},
            {"keys": {"1": -0.1}},
            {"keys": {"1": math.nan}},
        ],
    )
    def test_bad_shares(self, wrong: dict[str, Any]) -> None:
        """Shares that cannot be are refused."""
        with pytest.raises(ValueError, match=r"answer_rate must|keys must|shares of the keys must"):
            Callees(**wrong)

    def test_the_keys_do_not_change(self) -> None:
        """A change of the mapping that was given changes nothing."""
        given = {"1": 1.0}
        callees = Callees(keys=given)
        given.clear()
        assert callees.outcome(1).key == "1"


@pytest.mark.parametrize("wrong", [{"state": "FAIL"}, {"state": "SUCCESS", "key": "#"}])
def test_only_listed_outcomes(wrong: dict[str, str]) -> None:
    """An outcome has a state of the document and a digit as its key."""
    with pytest.raises(ValueError, match=r"state must be one of|key must be a digit"):
        listed_outcome(**wrong)  # type: ignore[arg-type]
