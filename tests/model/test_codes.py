"""The document's tables of codes and states, row by row."""

import copy
import pickle

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from samples import table

from emay_voice_async.model.codes import (
    JOIN_MEANINGS,
    JOIN_RESULT_CODES,
    JOIN_STATES,
    VOICE_RESULT_CODES,
    VOICE_STATES,
    CallState,
    ResultCode,
    call_state,
    result_code,
)


def meanings(name: str) -> dict[str, str]:
    """Read a table of the document: text -> meaning."""
    return {text: meaning for text, meaning in table(name)}  # noqa: C416 - the rows are checked to be pairs


STATES_VOICE = meanings("3.1-voice-states")
CODES_VOICE = meanings("3.2-voice-codes")
STATES_JOIN = meanings("3.3-join-states")
CODES_JOIN = meanings("3.4-join-codes")


class TestTables:
    """The tables of the appendix, word for word, in both directions."""

    def test_the_samples_are_whole(self) -> None:
        """The sample files have as many rows as the document's tables."""
        assert [len(rows) for rows in (STATES_VOICE, CODES_VOICE, STATES_JOIN, CODES_JOIN)] == [10, 17, 3, 22]

    def test_voice_states(self) -> None:
        """VOICE_STATES equals table 3.1, meanings included."""
        assert {text: state.meaning for text, state in VOICE_STATES.items()} == STATES_VOICE
        assert all(state.value == text for text, state in VOICE_STATES.items())

    def test_voice_codes(self) -> None:
        """VOICE_RESULT_CODES equals table 3.2, meanings included."""
        assert {code.value: code.meaning for code in VOICE_RESULT_CODES} == CODES_VOICE

    def test_join_states(self) -> None:
        """JOIN_STATES and JOIN_MEANINGS equal table 3.3."""
        assert JOIN_MEANINGS == STATES_JOIN
        assert JOIN_STATES.keys() == STATES_JOIN.keys()

    def test_join_codes(self) -> None:
        """JOIN_RESULT_CODES equals table 3.4, meanings included."""
        assert {code.value: code.meaning for code in JOIN_RESULT_CODES} == CODES_JOIN

    def test_the_order_is_that_of_the_document(self) -> None:
        """Codes and states have the order of the document, table 3.4 after table 3.2."""
        assert [code.value for code in ResultCode] == list(CODES_VOICE | CODES_JOIN)
        listed = [state.value for state in CallState]
        assert listed == [*STATES_VOICE, "FAIL", "OTHER"]

    def test_both_products_share_their_states(self) -> None:
        """The three states of a voice SMS are success, timeout and failure."""
        assert JOIN_STATES == {"4": CallState.SUCCESS, "3": CallState.TIMEOUT, "2": CallState.FAIL}

    def test_both_spellings_of_a_lack_of_money(self) -> None:
        """The voice table's BALANCE and the join table's BLANCE mean the same."""
        voice, join = ResultCode.ERROR_NEEDMORE_BALANCE, ResultCode.ERROR_NEEDMORE_BLANCE
        assert voice.meaning == join.meaning == "余额不足"
        assert voice not in JOIN_RESULT_CODES
        assert join not in VOICE_RESULT_CODES

    def test_english_meanings_are_short(self) -> None:
        """Each code and state has a short English meaning."""
        for member in (*ResultCode, *CallState):
            assert 3 < len(member.english) < 50
            assert member.english.isascii()


class TestResultCode:
    """A code is a text."""

    @pytest.mark.parametrize("code", ResultCode)
    def test_a_code_is_its_text(self, code: ResultCode) -> None:
        """A code equals, hashes, prints and is looked up as the text on the wire."""
        assert code == code.value == str(code) == f"{code}"
        assert {code.value: 1}[code] == 1
        assert result_code(code.value) is code
        assert ResultCode(code.value) is code

    @pytest.mark.parametrize("member", [*ResultCode, *CallState])
    def test_members_stay_themselves(self, member: ResultCode | CallState) -> None:
        """A pickled or copied member is the member itself."""
        assert pickle.loads(pickle.dumps(member)) is member  # noqa: S301
        assert copy.deepcopy(member) is member

    @given(st.text() | st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ_").map("ERROR_{}".format))
    @example("success")
    @example(" SUCCESS ")
    @example("SUCCESS\n")
    def test_an_unknown_code_stays_as_it_came(self, text: str) -> None:
        """An unlisted text is returned unchanged, as a plain str."""
        assume(text not in CODES_VOICE | CODES_JOIN)
        assert result_code(text) is text
        assert type(result_code(text)) is str


class TestCallState:
    """How a call ended."""

    def test_only_one_state_is_unknown(self) -> None:
        """Only OTHER has no meaning: it stands for all unlisted states."""
        assert [state for state in CallState if not state.meaning] == [CallState.OTHER]

    def test_states_of_both_products(self) -> None:
        """A text of either table is its state; an unlisted text is OTHER."""
        for text, state in {**VOICE_STATES, **JOIN_STATES}.items():
            assert call_state(text) is state
        assert call_state(" 4 ") is call_state("OTHER") is call_state("") is CallState.OTHER
