"""The lists of a send: invalid entries, files that cannot be read, copies."""

from pathlib import Path

import pytest
from support.cli_runner import NUMBERS, Program, notice

SAMPLES = Path(__file__).parents[2] / "samples" / "lists"


class TestLists:
    """Invalid entries, unreadable files and changing files."""

    def test_invalid_entries(self, program: Program, tmp_path: Path) -> None:
        """Invalid entries send nothing; the first twenty are printed by file and line, without their number."""
        path = tmp_path / "bad.csv"
        rows = [f"1380000{number}" for number in range(100, 243)]
        path.write_text("name,手机号\n" + "".join(f"x,{row}\n" for row in ["13800000000", *rows]), "utf-8")
        result = program(*notice(path, "--yes"))
        assert result.code == 2
        assert "143 entries cannot be sent to; --skip-invalid leaves them out" in result.error_line
        lines = [line.strip() for line in result.err.splitlines()]
        what = "mobile must be 11 digits and begin with 1 (found 10 characters)"
        assert [line for line in lines if "bad.csv, line" in line] == [
            f"{path}, line {number}: {what}" for number in range(3, 23)
        ]
        assert "and 123 more" in lines
        assert not any(row in result.err for row in rows)
        assert not program.called

    def test_skip_invalid(self, program: Program, tmp_path: Path) -> None:
        """--skip-invalid sends to the valid entries and is no failure."""
        path = tmp_path / "bad.txt"
        path.write_bytes("\ufeff１３８００００００００\r\n\r\n12345\r\n+86 138-0000-0001\r\n".encode())
        result = program(*notice(path, "--skip-invalid", "--yes"))
        assert result.code == 0
        assert program.called == ["13800000000", "13800000001"]
        assert "1 entry, left out" in result.err

    def test_duplicate_custom_ids(self, program: Program, tmp_path: Path) -> None:
        """Entries that are invalid only together are printed by file and line."""
        first, second = tmp_path / "a.csv", tmp_path / "b.jsonl"
        first.write_text("tel;id\n13800000000;a\n\n12345;x\n13800000001;b\n")
        second.write_text('{"tel": 13800000002, "id": "a"}\n')
        arguments = notice(first, "--to", second, "--column", "tel", "--custom-id-column", "id", "--yes")
        result = program(*arguments)
        assert result.code == 2
        flat = " ".join(result.err.split())
        assert "a.csv, line 4: mobile" in flat
        assert "b.jsonl, line 1: custom_id must not be repeated" in flat
        assert program(*arguments, "--skip-invalid").code == 0
        assert program.called == ["13800000000", "13800000001"]

    def test_many_invalid_entries(self, program: Program, tmp_path: Path) -> None:
        """Invalid entries beyond the list of the plan are counted."""
        path = tmp_path / "same.csv"
        path.write_text("mobile,id\n" + "".join(f"138{number:08},same\n" for number in range(1502)))
        result = program(*notice(path, "--custom-id-column", "2", "--yes"))
        assert "1,501 entries" in result.error_line or "1,499 entries" in result.error_line

    @pytest.mark.parametrize(
        ("name", "data", "words"),
        [
            ("none.txt", None, "none.txt: No such file or directory"),
            ("empty.txt", b"\n\n", "no numbers in"),
            ("a.csv", b"who\n13800000000\n", "a.csv: column: must be given"),
            ("a.txt", b"\xff13800000000\n", "a.txt: file: must be text in UTF-8 or GB18030"),
            ("a.lst", b"13800000000\n", "a.lst: format: must be txt, csv, jsonl or xlsx"),
        ],
    )
    def test_unreadable_file(
        self, program: Program, tmp_path: Path, name: str, data: bytes | None, words: str
    ) -> None:
        """The error line names the file and the reason."""
        if data is not None:
            (tmp_path / name).write_bytes(data)
        result = program(*notice(tmp_path / name, "--yes"))
        assert result.code == 2
        assert words in result.error_line
        assert not program.called

    def test_encoding_and_format(self, program: Program, tmp_path: Path) -> None:
        """--encoding and --format apply to files without a known ending."""
        path = tmp_path / "export.dat"
        path.write_text("姓名,电话\n张,13800000000\n", "gb18030")
        result = program(*notice(path, "--format", "csv", "--encoding", "gb18030", "--yes"))
        assert result.code == 0
        assert program.called == ["13800000000"]

    def test_changed_list(self, program: Program, people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file that changes after the plan does not change the numbers that are called."""

        def answer(*_: object, **__: object) -> bool:
            people.write_text("13900000000\n")
            return True

        monkeypatch.setattr("emay_voice_async.cli.commands.send.confirm", answer)
        assert program(*notice(people)).code == 0
        assert program.called == NUMBERS

    def test_full_disk(self, program: Program, people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The error line names a list that cannot be copied."""

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("shutil.copyfileobj", full)
        result = program(*notice(people, "--yes"))
        assert result.code == 2
        assert result.error_line.endswith("people.txt: No space left on device")

    @pytest.mark.parametrize(
        "number",
        [
            "13800000000",
            "+86 138-0000-0000",
            "138 0000 0000",
            "１３８００００００００",
            "008613800000000",
            "(138)0000-0000",
        ],
    )
    def test_number(
        self, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: str
    ) -> None:
        """--to takes a number as people write numbers, also beside a list and with a column."""
        monkeypatch.chdir(tmp_path)
        result = program(*notice(number, "--yes"))
        assert result.code == 0
        assert program.called == ["13800000000"]
        assert "--to 138****0000: 1 entry" in result.text
        assert "13800000000" not in result.err
        Path("a.csv").write_text("tel\n13800000001\n")
        assert program(*notice("a.csv", "--to", number, "--column", "tel", "--yes")).code == 0
        assert program.called[1:] == ["13800000001", "13800000000"]

    @pytest.mark.parametrize(
        "number",
        [
            "1380000000",
            "23800000000",
            "138000000001",
            "+1 202 555 0100",
            "20240101",
            "13800000000,13900000000",
            "13800000000、13900000000",
        ],
    )
    def test_wrong_number(self, program: Program, number: str) -> None:
        """A text that is neither a file nor a mobile number says so, and hides the number."""
        result = program(*notice(number, "--yes"))
        assert result.code == 2
        assert "neither a file nor one number of 11 digits" in result.error_line
        assert number not in result.error_line

    def test_file_named_like_a_number(
        self, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file with the name of a number is a file."""
        monkeypatch.chdir(tmp_path)
        Path("13800000000").write_text("13900000000\n")
        assert program(*notice("13800000000", "--format", "txt", "--yes")).code == 0
        assert program.called == ["13900000000"]
        result = program(*notice("./13800000001", "--format", "txt", "--yes"))
        assert result.code == 2
        assert "./13800000001: No such file" in result.error_line

    def test_encoding_in_the_plan(
        self, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The plan names an encoding other than UTF-8."""
        (tmp_path / "a.csv").write_text("姓名,手机号\n张三,13800000000\n", "gb18030")
        (tmp_path / "b.csv").write_text("姓名,手机号\n李四,13800000001\n", "utf-8")
        monkeypatch.chdir(tmp_path)
        result = program(*notice("a.csv", "--to", "b.csv", "--plan"))
        assert "a.csv (gb18030), " in result.text
        assert "b.csv: 2 entries" in result.text

    @pytest.mark.parametrize("first", ["1380000000x", "1234567890", "138000", "+44 7911 123456"])
    def test_no_header_row(self, program: Program, tmp_path: Path, first: str) -> None:
        """A mistyped number in the first row of a CSV without a header is an invalid entry."""
        path = tmp_path / "a.csv"
        path.write_text(f"{first},Li\n13800000001,Wang\n")
        result = program(*notice(path, "--column", "1", "--yes"))
        assert result.code == 2
        assert "1 entry cannot be sent to; --skip-invalid leaves it out" in result.error_line
        assert "a.csv, line 1: " in result.err
        assert not program.called

    def test_no_temporary_folder(
        self, program: Program, people: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without a folder for the copies, the error line names the setting, and the exit code is 7."""
        monkeypatch.setattr("tempfile.tempdir", "/none")
        result = program(*notice(people, "--yes"))
        assert result.code == 7
        assert "no folder for a temporary copy of the lists: set TMPDIR" in result.error_line


class TestWorkbooks:
    """Lists of Excel, and numbers that no operator has."""

    @pytest.mark.parametrize(
        "name", ["people-libreoffice.xlsx", "people-libreoffice.xls", "people-gbk.csv", "people-utf-16.csv"]
    )
    def test_same_calls(self, program: Program, name: str) -> None:
        """One list in four formats makes the same calls with the same texts."""
        arguments = notice(SAMPLES / name, "--template", "--yes", content="{姓名}，{金额}元，{到期}到期")
        result = program(*arguments)
        assert result.code == 0
        assert [(call.mobile, call.content) for call in program.sandbox.calls] == [
            ("13800000001", "张三，12.5元，2026-03-01到期"),
            ("13800000002", "李四，1000元，2026-03-02到期"),
            ("13800000003", "王五，0.1元，2026-03-03到期"),
            ("13800000004", "赵六，99元，2026-03-04到期"),
        ]

    def test_plan(self, program: Program, tmp_path: Path) -> None:
        """The plan names the sheet; --sheet chooses one; --encoding is for the text files beside it."""
        text = tmp_path / "b.csv"
        text.write_text("姓名,手机号\n张三,13800000009\n", "gb18030")
        arguments = notice(
            SAMPLES / "people-libreoffice.xlsx", "--to", text, "--plan", "--encoding", "gb18030"
        )
        result = program(*arguments)
        assert "people-libreoffice.xlsx (sheet people), " in result.text
        assert "5 calls in" in result.text
        assert program(*arguments, "--sheet", "1").code == 0
        result = program(*arguments, "--sheet", "July")
        assert (result.code, len(program.called)) == (2, 0)
        assert "sheet: must be the name of a sheet" in result.error_line

    def test_refused(self, program: Program, tmp_path: Path) -> None:
        """A workbook that cannot be read is one sentence; nothing is sent."""
        (tmp_path / "empty.xlsx").write_bytes(b"")
        (tmp_path / "text.xls").write_bytes(b"mobile\n13800000000\n")
        for path in (SAMPLES / "encrypted.xlsx", tmp_path / "empty.xlsx", tmp_path / "text.xls"):
            result = program(*notice(path, "--yes"))
            assert (result.code, result.out) == (2, "")
            assert f"{path}: file: must be" in result.error_line
        assert not program.called

    def test_prefixes(self, program: Program) -> None:
        """Numbers that begin with 10, 11 or 12 are warned of in the plan, and called."""
        result = program(*notice("-", "--yes"), input=b"10000000000\n12500000000\n13000000000")
        assert "2 entries with numbers that begin with 10, 11 or 12: no operator has them" in result.text
        assert len(program.called) == 3
        assert "no operator" not in program(*notice("-", "--plan"), input=b"13000000000").text
