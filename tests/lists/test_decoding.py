"""Lines of files: encodings, newlines, pieces of every size, and files that are no text."""

import codecs
import io
import re
import zipfile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from samples.strategies import CHARACTERS

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.lists.decoding import check_encoding, lines_of
from emay_voice_async.lists.rows import MAX_LINE


class Trickle:
    """A file that reads at most ``most`` bytes or characters at a time."""

    def __init__(self, whole: bytes | str, most: int) -> None:
        self.whole = whole
        self.most = most

    def read(self, size: int, /) -> bytes | str:
        """Read the next piece."""
        assert size > 0
        piece, self.whole = self.whole[: self.most], self.whole[self.most :]
        return piece


def read(whole: bytes | str, encoding: str | None = None, most: int = 65_536) -> tuple[list[str], str]:
    """Read all lines; return them and the final error ("" for none)."""
    lines = []
    try:
        for line in lines_of(Trickle(whole, most), encoding):
            lines.append(line)  # noqa: PERF402 - the lines before an error count
    except InvalidRequestError as error:
        return lines, str(error)
    return lines, ""


def split(text: str) -> list[str]:
    """Cut a text into lines the slow way."""
    lines = re.split("\r\n|\r|\n", text)
    return lines if lines[-1] else lines[:-1]


pieces = st.integers(1, 9) | st.just(65_536)
texts = st.text(st.sampled_from("1\r\n\0\x0b\x0c\x1c\x85\u2028王\U0001f514") | CHARACTERS, max_size=40)


class TestLines:
    """Text of any encoding to lines."""

    @given(
        texts.map("12345".__add__), st.sampled_from(["utf-8", "gb18030", "utf-16-le", "utf-16-be"]), pieces
    )
    def test_any_text_in_pieces_of_any_size(self, text: str, encoding: str, most: int) -> None:
        """Only CRLF, CR and LF end a line, wherever a piece ends."""
        assert read(text.encode(encoding), encoding, most) == (split(text), "")
        assert read(text, None, most) == (split(text), "")

    @given(
        texts.filter(lambda text: not text.startswith(("\ufeff", "\0"))),
        st.sampled_from(["utf-8-sig", "utf-16", "utf-32", "be"]),
        pieces,
    )
    def test_a_byte_order_mark_is_believed(self, text: str, encoding: str, most: int) -> None:
        """UTF-8, UTF-16 and UTF-32 with a mark need no name, and a wrong name does no harm."""
        body = codecs.BOM_UTF16_BE + text.encode("utf-16-be") if encoding == "be" else text.encode(encoding)
        for named in (None, "gb18030"):
            assert read(body, named, most) == (split(text), "")

    def test_no_file_is_too_short(self) -> None:
        """An empty file has no lines, nor has a file of a byte order mark alone."""
        for whole in (b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF32_BE, "", "\ufeff"):
            for most in (1, 3, 65_536):
                assert read(whole, None, most) == ([], "")
        assert read(b"1") == (["1"], "")

    @given(
        st.binary(max_size=60)
        | st.text("1\r\n王é", max_size=12).map(lambda text: text.encode("gbk", "replace")),
        pieces,
    )
    @example(b"\xff1", 1)
    @example(b"1\r\xff", 1)
    @example(b"1\r\n2\r\xd6\xd0", 2)
    @example("12345\n王".encode()[:-1], 3)
    def test_any_bytes_in_pieces_of_any_size(self, whole: bytes, most: int) -> None:
        """Any bytes give lines or an error, the same for pieces of every size."""
        for encoding in (None, "gb18030", "utf-16-le"):
            assert read(whole, encoding, most) == read(whole, encoding)

    @given(st.integers(0, 30), st.sampled_from(["\r\n", "\r", "\n"]), pieces)
    def test_the_line_of_wrong_bytes_is_named(self, before: int, newline: str, most: int) -> None:
        """All lines before the first wrong byte are yielded, then an error names the line."""
        good = "".join(f"1380000{place:04}{newline}" for place in range(before)).encode()
        bad = "13800000000 王小明".encode("gbk")
        lines, error = read(good + bad + newline.encode() + good, "utf-8", most)
        assert lines == [f"1380000{place:04}" for place in range(before)]
        assert error == (
            'file: must be text in utf-8; name another encoding, such as "big5" (command line: --encoding) '
            f"(found other bytes in line {before + 1})"
        )

    @pytest.mark.parametrize("most", [1, 3, 65_536])
    @pytest.mark.parametrize("newline", ["\r\n", "\r", "\n"])
    @pytest.mark.parametrize("wrong", [b"\xff", "王".encode()[:-1], "王".encode()[:-1] + b"\n1"], ids=repr)
    def test_wrong_bytes_right_after_a_newline(self, wrong: bytes, newline: str, most: int) -> None:
        """A line that ends just before the wrong bytes is yielded; half a character is an error as well."""
        lines, error = read(f"12345{newline}".encode() + wrong, "utf-8", most)
        assert lines == ["12345"]
        assert error.endswith("(found other bytes in line 2)")

    def test_a_text_file_in_another_encoding(self) -> None:
        """A text file that fails to decode gives the same error."""
        file = io.TextIOWrapper(io.BytesIO("13800000000\n王".encode("gbk")), encoding="utf-8")
        with pytest.raises(InvalidRequestError, match="must be text in UTF-8 or GB18030"):
            list(lines_of(file, None))

    def test_an_error_without_an_encoding(self) -> None:
        """A codec whose error does not name the codec is named in the message."""
        lines, error = read(b"xn--a\x80", "idna")
        assert lines == []
        assert error.startswith("file: must be text in idna; ")

    @pytest.mark.parametrize("most", [1000, 65_536, 1 << 20])
    def test_a_line_without_end(self, most: int) -> None:
        """A line of 65,536 characters is read, a longer line is an error; the lines before it are yielded."""
        for newline in ("", "\n"):
            longest = "1" * MAX_LINE
            assert read(f"1\n{longest}{newline}", None, most) == (["1", longest], "")
            assert read(f"1\n{longest}1{newline}2", None, most) == (
                ["1"],
                f"file: must have lines of at most {MAX_LINE} characters (found a longer one from line 2 on)",
            )

    def test_a_line_without_end_is_not_read_to_its_end(self) -> None:
        """Reading stops soon after the limit."""
        file = Trickle(b"1" * (1 << 22), 65_536)
        with pytest.raises(InvalidRequestError):
            list(lines_of(file, None))
        assert len(file.whole) > 1 << 21


def guessed(whole: bytes, most: int = 65_536) -> tuple[list[str], str, list[str]]:
    """Read all lines without naming an encoding; return them, the error, and the reported encodings."""
    encodings: list[str] = []
    lines: list[str] = []
    try:
        lines.extend(lines_of(Trickle(whole, most), None, encodings.append))
    except InvalidRequestError as error:
        return lines, str(error), encodings
    return lines, "", encodings


class TestGuess:
    """UTF-8 strictly, else GB18030."""

    @given(st.text("王小明张伟13,、\n①㐀éx", max_size=60), pieces)
    def test_text_in_chinese(self, text: str, most: int) -> None:
        """Text as Excel saves in China is read in pieces of any size, and so is UTF-8; both are reported."""
        text = f"手机号,姓名\n13800000000,王小明\n{text}"
        assert guessed(text.encode("gb18030"), most) == (split(text), "", ["utf-8", "gb18030"])
        assert guessed(text.encode(), most) == (split(text), "", ["utf-8", "utf-8"])

    @pytest.mark.slow
    @pytest.mark.parametrize("most", [1, 999, 65_536])
    def test_the_first_chinese_text_comes_late(self, most: int) -> None:
        """The encoding is told by the first bytes that are not ASCII, however late they come."""
        head = "13800000000\n" * 10_000
        assert guessed(f"{head}王小明".encode("gbk"), most)[0][-1] == "王小明"
        assert guessed(f"{head}王小明".encode(), most)[0][-1] == "王小明"

    def test_ascii_is_utf_8(self) -> None:
        """A file of digits alone is UTF-8."""
        assert guessed(b"13800000000\n") == (["13800000000"], "", ["utf-8"])

    @pytest.mark.parametrize("most", [1, 65_536])
    def test_damaged_utf_8(self, most: int) -> None:
        """UTF-8 with a wrong byte behind eight good characters is an error, not another encoding."""
        lines, error, encodings = guessed("王小明王小明\n王小明".encode() + b"\xd6\xd0\n", most)
        assert lines == ["王小明王小明"]
        assert error == (
            'file: must be text in UTF-8 or GB18030; name another encoding, such as "big5" '
            "(command line: --encoding) (found other bytes in line 2)"
        )
        assert encodings == ["utf-8", "utf-8"]

    @pytest.mark.parametrize("text", ["José,1", "é", "Zoë\t1"])
    def test_neither(self, text: str) -> None:
        """Latin-1 is neither of the two, and the error names the line."""
        lines, error, _ = guessed(f"1\n{text}".encode("latin-1"))
        assert lines == ["1"]
        assert "must be text in UTF-8 or GB18030; name another" in error
        assert error.endswith("(found other bytes in line 2)")

    @pytest.mark.parametrize("most", [1000, 65_536])
    @pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
    def test_the_guess_is_final(self, encoding: str, most: int) -> None:
        """Wrong bytes later than 64 KiB behind the first Chinese character are an error of that encoding."""
        whole = ("王\n" + "1\n" * 40_000).encode(encoding) + b"\xff\n"
        lines, error, encodings = guessed(whole, most)
        assert len(lines) == 40_001
        assert error.endswith("(found other bytes in line 40002)")
        assert encodings[-1] == encoding

    def test_a_named_encoding_and_a_mark_are_reported(self) -> None:
        """The encoding that is used is reported, not the one that was named."""
        encodings: list[str] = []
        list(lines_of(io.BytesIO(codecs.BOM_UTF16_LE + b"1\0"), "gb18030", encodings.append))
        list(lines_of(io.BytesIO(b"1"), "big5", encodings.append))
        list(lines_of(io.StringIO("1"), None, encodings.append))
        assert encodings == ["utf-16-le", "big5"]


class TestNoText:
    """Files that are no text."""

    def test_a_workbook(self) -> None:
        """A workbook, old or new, is refused as a workbook, not as wrong text."""
        body = io.BytesIO()
        with zipfile.ZipFile(body, "w") as archive:
            archive.writestr("xl/workbook.xml", "13800000000")
        for whole in (body.getvalue(), b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
            assert read(whole)[1] == (
                "file: must be text: name a workbook .xlsx or .xls (command line: --format xlsx), or save it as CSV "
                "(found a workbook or an archive)"
            )

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
    @pytest.mark.parametrize("most", [1, 65_536])
    def test_wide_text_without_a_mark(self, encoding: str, most: int) -> None:
        """UTF-16 and UTF-32 without a mark are refused, and read with ``encoding``."""
        whole = "13800000000\n".encode(encoding)
        assert read(whole, None, most)[1].startswith("file: must be text: if it is UTF-16 without")
        assert read(whole, encoding, most) == (["13800000000"], "")

    def test_a_nul_further_on(self) -> None:
        """A NUL in the middle of a text is a character like others: only that line is bad."""
        assert read(b"1380\n\0\0\0\n1381") == (["1380", "\0\0\0", "1381"], "")

    @pytest.mark.parametrize("piece", [None, 1, bytearray(b"1"), ["1"]], ids=repr)
    def test_a_file_that_reads_other_values(self, piece: object) -> None:
        """A file that reads neither bytes nor text is refused, also a non-blocking file (None)."""

        class File:
            def read(self, _: int, /) -> bytes:
                return piece  # type: ignore[return-value]

        with pytest.raises(InvalidRequestError, match=f"source: must read .*{type(piece).__name__}"):
            list(lines_of(File(), None))

    def test_a_text_file_has_its_encoding(self) -> None:
        """An encoding for a file that reads text would have no effect, and is refused."""
        assert read("1", "utf-8")[1] == "encoding: must be left out for a file that reads text"


def test_a_pipe_is_read_as_it_comes() -> None:
    """A pipe is read without waiting for a full piece."""

    class Pipe(io.BytesIO):
        def read(self, _: int | None = -1, /) -> bytes:
            raise AssertionError("would wait for a full piece")

    assert list(lines_of(Pipe(b"1\n2"), None)) == ["1", "2"]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "UTF8", "gbk", "GB18030", "utf-16", "latin-1", "big5", "cp1252"]
)
def test_known_encodings(encoding: str) -> None:
    """Every text encoding that Python knows may be named."""
    check_encoding(encoding)
    assert read("12345".encode(encoding), encoding) == (["12345"], "")


@pytest.mark.parametrize("encoding", ["", "utf-9", "hex", "rot13", "zlib", "undefined", "a\0b"], ids=ascii)
def test_unknown_encodings(encoding: str) -> None:
    """Other encodings are refused, also codecs that are no text encodings."""
    with pytest.raises(InvalidRequestError, match=r"^encoding: must be one that Python knows"):
        check_encoding(encoding)
