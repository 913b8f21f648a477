"""The options of a send."""

from typing import Any

import pytest

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.journal import SqliteJournal
from emay_voice_async.sending.hours import CallingHours
from emay_voice_async.sending.options import Options


class TestOptions:
    """The constructor checks every option."""

    def test_valid_options(self) -> None:
        """The defaults and a full set of options are accepted."""
        assert Options() == Options(None, None, resend_unknown=False, allow_duplicates=False)
        journal = SqliteJournal("unused.db")
        options = Options(1.0, journal, True, True, 1, CallingHours("08:00-20:00"))
        assert options.journal is journal

    @pytest.mark.parametrize(
        ("options", "field"),
        [
            ({"resend_unknown": 1}, "resend_unknown"),
            ({"resend_unknown": True}, "resend_unknown"),
            ({"allow_duplicates": "no"}, "allow_duplicates"),
            ({"journal": "run.db"}, "journal"),
            ({"max_calls": 0}, "max_calls"),
            ({"max_calls": True}, "max_calls"),
            ({"hours": "08:00-20:00"}, "hours"),
        ],
    )
    def test_wrong_options(self, options: dict[str, Any], field: str) -> None:
        """A wrong option is refused with its name."""
        with pytest.raises(InvalidRequestError) as caught:
            Options(**options)
        assert caught.value.field == field
