"""Times and durations in the layouts of many writers."""

import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples.strategies import JSON

from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.wire.fields import UNREADABLE
from emay_voice_async.wire.times import read_seconds, read_time

NOON = datetime(2017, 3, 15, 12, tzinfo=BEIJING)
EPOCH = 1489550400
"""TZ=Asia/Shanghai date -d '2017-03-15 12:00:00' +%s"""

plausible = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31, 23, 59, 59))  # noqa: DTZ001
seconds_of_time = plausible.map(lambda at: at.replace(microsecond=0, tzinfo=BEIJING))


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Shanghai"])
def host_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Put the host into another time zone for one test."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


class TestReadTime:
    """The time of a call."""

    @given(seconds_of_time, st.text(" \t\u3000", max_size=2))
    def test_the_documented_layout(self, at: datetime, blanks: str) -> None:
        """``yyyy-MM-dd HH:mm:ss`` is Beijing time."""
        found = read_time(f"{blanks}{at:%Y-%m-%d %H:%M:%S}{blanks}")
        assert found == at
        assert found is not None
        assert found.utcoffset() == timedelta(hours=8)

    def test_host_zone(self, host_zone: str) -> None:
        """The time zone of the host does not matter."""
        for text in ("2017-03-15 12:00:00", "2017/3/15 12:00:00", str(EPOCH)):
            found = read_time(text)
            assert found is not None
            assert found.timestamp() == EPOCH, host_zone

    @given(seconds_of_time)
    def test_any_layout(self, at: datetime) -> None:
        """A time is the same in each layout that has one meaning."""
        hour, half = at.hour % 12 or 12, "PM" if at.hour >= 12 else "AM"
        utc = at.astimezone(tz=None).astimezone()
        for written in (
            f"{at:%Y/%m/%d %H:%M:%S}",
            f"{at.year}-{at.month}-{at.day} {at.hour}:{at.minute}:{at.second}",
            f"{at.year}年{at.month}月{at.day}日 {at.hour}:{at:%M:%S}",
            f"{at:%Y年%m月%d日%H时%M分%S秒}",
            f"{at:%Y-%m-%d} {'下午' if half == 'PM' else '上午'}{hour}:{at:%M:%S}",
            f"{at:%Y%m%d%H%M%S}",
            int(f"{at:%Y%m%d%H%M%S}"),
            f"{at:%Y%m%d%H%M%S}000",
            f"{at:%b} {at.day}, {at.year} {hour}:{at:%M:%S} {half}",
            f"{at:%b} {at.day}, {at.year}, {hour}:{at:%M:%S}\u202f{half}",
            at.isoformat(),
            utc.isoformat(),
            f"{at:%Y-%m-%dT%H:%M:%S}.000+0800",
            f"{at:%Y-%m-%d %H:%M:%S} GMT+8",
            f"{at:%Y-%m-%dT%H:%M:%S}+08:00[Asia/Shanghai]",
            f"{at:%a %b %d %H:%M:%S} GMT+08:00 {at.year}",
            f"/Date({int(at.timestamp())}000+0800)/",
            int(at.timestamp()) * 1000,
            f"{int(at.timestamp()) * 1000}",
            float(at.timestamp()) * 1000,
            int(at.timestamp()) * 1_000_000,
            {"time": int(at.timestamp()) * 1000, "year": at.year - 1900},
            [at.year, at.month, at.day, at.hour, at.minute, at.second],
            "".join(
                chr(ord(char) + 0xFEE0) if char.isdecimal() else char for char in f"{at:%Y-%m-%d %H:%M:%S}"
            ),
        ):
            assert read_time(written) == at, written

    @pytest.mark.parametrize(
        "value",
        [
            *("2017-03-15T12:00:00", "2017-03-15 12:00:00.0", "2017-03-15 12:00", "2017.03.15 12:00:00"),
            *("2017-03-15T04:00:00Z", "2017-03-14 23:00:00-05:00", "2017-03-15 04:00:00 UTC"),
            *("Wed, 15 Mar 2017 04:00:00 GMT", "15 Mar 2017 04:00:00 UTC", "March 15, 2017 12:00 PM"),
            *(EPOCH, float(EPOCH), f"{EPOCH}", f"{EPOCH}.0", "1.4895504E12", [2017, 3, 15, 12, 0, 0, 999]),
            *("２０１７年３月１５日１２：００：００", "2017-03-15 12:00:00 PM", "2017-03-15T12:00:00,000"),
        ],
        ids=repr,
    )
    def test_other_layouts(self, value: object) -> None:
        """A fraction, an offset, a name of a month or a count since 1970 is read."""
        found = read_time(value)
        assert found == NOON
        assert found is not None
        assert found.utcoffset() == timedelta(hours=8)

    def test_fractions(self) -> None:
        """Fractions of a second are kept to the microsecond."""
        for value in (
            "2017/03/15 12:00:00.123456789",
            (EPOCH * 1_000_000) + 123456,
            [2017, 3, 15, 12, 0, 0, 123456789],
        ):
            assert read_time(value) == NOON.replace(microsecond=123456)
        assert read_time("20170315120000123") == NOON.replace(microsecond=123000)

    @pytest.mark.parametrize(
        "value",
        [
            *("0000-00-00 00:00:00", "0001-01-01 00:00:00", "0001-01-01T00:00:00Z", "1899-12-30 00:00:00"),
            *("1900-01-01 00:00:00", "1970-01-01 08:00:00", "1970-01-01T00:00:00Z", "9999-12-31 23:59:59"),
            *(
                "1999-12-31 23:59:59",
                "2100-01-01 00:00:00",
                0,
                -1,
                1,
                "0",
                "0.0",
                -62135596800000,
                253402271999000,
            ),
            *(
                "/Date(-62135596800000)/",
                {"time": 0},
                [1, 1, 1, 0, 0],
                [0, 0, 0, 0, 0],
                "2099-W53-5T12:00:00",
            ),
        ],
        ids=repr,
    )
    def test_null_dates(self, value: object) -> None:
        """The null dates of databases and languages are no times of a call."""
        with pytest.raises(UNREADABLE):
            read_time(value)

    @pytest.mark.parametrize(
        "value",
        [
            *("yesterday", "2017-02-30 12:00:00", "2017-03-15 25:00:00", "2017/13/01 00:00:00", "12:00:00"),
            *("15/03/2017 12:00:00", "03/15/2017 12:00:00", "17-03-15 12:00:00", "Foo 15, 2017 12:00:00"),
            *("٢٠١٧-03-15 12:00:00", "2017-03-15 ١٢:00:00", "2_017-03-15 12:00:00", "1_489_550_400"),
            *("Wed Mar 15 12:00:00 CST 2017", "20170315", "201703151200", "2017031512", 2017031512),
            *(
                float("nan"),
                float("inf"),
                10**30,
                "1e99",
                [],
                {},
                True,
                [2017, 3],
                [2017, 3, 15, 12, "0"],
                {"time": "x"},
            ),
        ],
        ids=repr,
    )
    def test_unreadable(self, value: object) -> None:
        """A text that is no time, or a time of two meanings, is unreadable and never another moment."""
        with pytest.raises(UNREADABLE):
            read_time(value)

    @given(JSON | st.from_regex(re.compile(r"[-0-9 :T.+/年月日]{1,24}"), fullmatch=True))
    def test_any_value(self, value: object) -> None:
        """Any value is a time of 2000 to 2099 in Beijing's zone, missing, or unreadable."""
        try:
            found = read_time(value)
        except UNREADABLE:
            return
        assert found is None or (2000 <= found.year < 2100 and found.utcoffset() == timedelta(hours=8))


class TestReadSeconds:
    """A duration as a text."""

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            *(
                ("68秒", 68),
                ("68.02 秒", 68.02),
                ("1分8秒", 68),
                ("1小时2分3秒", 3723),
                ("2分钟", 120),
                ("6８秒", 68),
            ),
            *(
                ("68s", 68),
                ("68 S", 68),
                ("1m8s", 68),
                ("1h", 3600),
                ("68020ms", 68.02),
                ("68020 毫秒", 68.02),
            ),
            *(("00:01:08", 68), ("1:02:03.5", 3723.5), ("68.0", 68), ("６８", 68), ("-1", -1), ("1e2", 100)),
        ],
    )
    def test_units(self, text: str, seconds: float) -> None:
        """Units and hours:minutes:seconds are read."""
        assert read_seconds(text) == seconds

    @pytest.mark.parametrize(
        "text",
        ["1:08", "68,02", "1,068", "long", "秒", "68元", "1:60:00", "68秒钟半", "--1", "٦٨秒", "٠0:01:08"],
    )
    def test_unreadable(self, text: str) -> None:
        """A text of two meanings, or with another unit, is unreadable."""
        with pytest.raises(ValueError, match="a number of seconds was expected"):
            read_seconds(text)
