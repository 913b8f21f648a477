"""Answers on disk until their reports were taken."""

from pathlib import Path

import pytest

from emay_voice_async import InvalidRequestError, Product
from emay_voice_async.reports.spool import Spool, SpooledAnswer


def test_leftovers(tmp_path: Path) -> None:
    """Leftovers come back as they were written, with their product, oldest first."""
    spool = Spool(tmp_path / "new" / "folder")
    files = [
        spool.write(product, body)
        for product, body in ((Product.VOICE, b"1"), (Product.JOIN, b"2"), (Product.VOICE, b"3"))
    ]
    assert list(spool.leftovers()) == [
        (files[0], Product.VOICE, b"1"),
        (files[1], Product.JOIN, b"2"),
        (files[2], Product.VOICE, b"3"),
    ]
    files[1].unlink()
    assert [body for _, _, body in spool.leftovers()] == [b"1", b"3"]


def test_only_whole_answers_are_leftovers(tmp_path: Path) -> None:
    """Incomplete answers, broken answers and foreign files are no leftovers."""
    for name in ("00-aa-voice.part", "00-aa-voice.broken", "notes.json", "00-aa-other.json"):
        (tmp_path / name).write_bytes(b"x")
    assert list(Spool(tmp_path).leftovers()) == []
    assert list(Spool(tmp_path / "missing").leftovers()) == []


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """A path that names a file is refused at once."""
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(InvalidRequestError, match="spool"):
        Spool(str(tmp_path / "file"))


def test_on_windows_a_folder_is_not_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a folder cannot be opened, the file alone is flushed."""
    spool = Spool(tmp_path)
    monkeypatch.setattr("os.open", None)
    monkeypatch.setattr("emay_voice_async.reports.spool.WINDOWS", True)
    assert spool.write(Product.VOICE, b"1").read_bytes() == b"1"


@pytest.mark.parametrize("broken", [False, True])
def test_a_file_goes_with_its_last_report(tmp_path: Path, broken: bool) -> None:
    """The file is removed, or renamed if an entry was broken, when the last report was taken."""
    answer = SpooledAnswer(Spool(tmp_path).write(Product.VOICE, b"1"), 3, broken)
    answer.close_if_empty()
    answer.confirm()
    assert answer.file.exists()
    answer.confirm(2)
    assert [file.suffix for file in tmp_path.iterdir()] == ([".broken"] if broken else [])
