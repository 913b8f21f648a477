"""Beijing timestamps and signatures, against what other tools compute."""

import hashlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.wire.signing import sign, stamp

# printf %s "$app_id$secret_key$timestamp" | md5sum; the same by: openssl dgst -md5
SIGNATURES = [
    ("EUCP-EMY-DDDD-3EEEE", "0123456789abcdef", "20170101120000", "258dea848ab44501405cc266bf5d26a8"),
    ("EUCP-EMY-DDDD-3EEEE", "0123456789abcdef", "", "48d68809bd787d7da3f2a6f561e7aaeb"),
    ("应用", "密钥密钥🔑", "20240229235959", "b6e711dfad95b0210a0aea20156c3188"),
    ("a", "b", "c", "900150983cd24fb0d6963f7d28e17f72"),
    ("", "", "", "d41d8cd98f00b204e9800998ecf8427e"),
]
# TZ=Asia/Shanghai date -d @$at +%Y%m%d%H%M%S
STAMPS = [
    (0, "19700101080000"),
    (1483243200, "20170101120000"),
    (1483286399, "20170101235959"),
    (1483286400, "20170102000000"),
    (1709222399, "20240229235959"),
    (1709251199, "20240301075959"),
    (2147483647, "20380119111407"),
    (2147483648, "20380119111408"),
    (4102415999, "20991231235959"),
    (253402271999, "99991231235959"),
]
ZONES = ["UTC", "Asia/Shanghai", "America/New_York", "Pacific/Kiritimati", "Etc/GMT+12", "XXX-13:45YYY"]


@pytest.fixture(params=ZONES)
def host_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Put the host into another time zone for one test."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


class TestSign:
    """The signature of a request."""

    @pytest.mark.parametrize(("app_id", "secret_key", "timestamp", "signature"), SIGNATURES)
    def test_vectors(self, app_id: str, secret_key: str, timestamp: str, signature: str) -> None:
        """Signatures are those that md5sum and openssl compute over the UTF-8 bytes."""
        assert sign(app_id, secret_key, timestamp) == signature

    @given(st.text(), st.text(), st.text())
    def test_any_text(self, app_id: str, secret_key: str, timestamp: str) -> None:
        """A signature is always 32 lower-case hex digits over the three texts, one after the other."""
        joined = (app_id + secret_key + timestamp).encode()
        signature = sign(app_id, secret_key, timestamp)
        assert signature == hashlib.md5(joined).hexdigest()  # noqa: S324 - the service's choice
        assert len(signature) == 32
        assert signature == signature.lower()

    def test_a_request_without_timestamp(self) -> None:
        """A balance query is signed without a timestamp."""
        assert sign("app", "key") == sign("app", "key", "")


class TestStamp:
    """The timestamp of a request."""

    @pytest.mark.parametrize(("at", "expected"), STAMPS)
    def test_vectors(self, at: int, expected: str) -> None:
        """Timestamps are those that date prints in Shanghai."""
        assert stamp(at) == expected

    @pytest.mark.parametrize(("at", "expected"), STAMPS)
    def test_fractions_are_cut_off(self, at: int, expected: str) -> None:
        """A second lasts until the next one begins."""
        assert stamp(at + 0.999) == expected

    def test_the_host_zone_never_matters(self, host_zone: str) -> None:
        """Timestamps are the same wherever the host thinks that it is."""
        assert time.localtime(1483243200).tm_hour != 12 or host_zone == "Asia/Shanghai"
        assert [stamp(at) for at, _ in STAMPS] == [expected for _, expected in STAMPS]

    @given(st.floats(0, 253402271999, allow_nan=False))
    def test_any_instant(self, at: float) -> None:
        """A timestamp read back as UTC+8 is less than a second before its instant, and has 14 digits."""
        text = stamp(at)
        assert len(text) == 14
        assert text.isdecimal()
        read = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING).timestamp()
        assert -0.001 < at - read < 1

    @given(st.datetimes(datetime(1, 1, 2), datetime(999, 12, 31)).map(lambda at: at.replace(tzinfo=UTC)))  # noqa: DTZ001
    def test_early_years_are_padded(self, at: datetime) -> None:
        """A year before 1000 has four digits, too."""
        local = at.replace(microsecond=0) + timedelta(hours=8)
        assert stamp(at.replace(microsecond=0).timestamp()) == local.isoformat()[:19].translate(
            {ord(char): None for char in "-T:"}
        )


class TestBeijing:
    """Beijing's time zone."""

    def test_no_daylight_saving(self) -> None:
        """UTC+8 in summer and in winter, in every year."""
        for at in (datetime(1988, 7, 1), datetime(2024, 1, 1), datetime(2024, 7, 1)):  # noqa: DTZ001
            assert at.replace(tzinfo=BEIJING).utcoffset() == timedelta(hours=8)
