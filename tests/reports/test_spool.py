"""Answers on disk until their reports were taken."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from emay_voice_async import InvalidRequestError, Product
from emay_voice_async.reports import spool as spool_module
from emay_voice_async.reports.spool import Spool, SpooledAnswer

STEM = f"{1:020}-0123abcd-voice-a"


def test_leftovers(tmp_path: Path) -> None:
    """Leftovers come back as they were written, with their product, oldest first."""
    spool = Spool(tmp_path / "new" / "folder", "a")
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
    for name in (f"{STEM}.part", f"{STEM}.broken", "notes.json", "00-aa-voice-a.json", f"{STEM}.json.bak"):
        (tmp_path / name).write_bytes(b"x")
    assert list(Spool(tmp_path, "a").leftovers()) == []


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """A path that names a file is refused at once."""
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(InvalidRequestError, match="spool"):
        Spool(str(tmp_path / "file"), "a")


def test_on_windows_a_folder_is_not_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a folder cannot be opened, the file alone is flushed."""
    spool = Spool(tmp_path, "a")

    def open_file(path: Path, flags: int, mode: int = 0o777) -> int:
        assert flags & os.O_CREAT, "a folder cannot be opened"
        return original(path, flags, mode)

    original = os.open
    monkeypatch.setattr("os.open", open_file)
    monkeypatch.setattr("emay_voice_async.reports.spool.WINDOWS", True)
    assert spool.write(Product.VOICE, b"1").read_bytes() == b"1"


@pytest.mark.parametrize("broken", [False, True])
def test_a_file_goes_with_its_last_report(tmp_path: Path, broken: bool) -> None:
    """The file is removed, or renamed if an entry was broken, when the last report was taken."""
    answer = SpooledAnswer(Spool(tmp_path, "a").write(Product.VOICE, b"1"), 3, broken)
    answer.close_if_empty()
    answer.confirm()
    assert answer.file.exists()
    answer.confirm(2)
    assert [file.suffix for file in tmp_path.iterdir()] == ([".broken"] if broken else [])


def modes(folder: Path) -> set[int]:
    """Return the modes of all files of a folder."""
    return {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_modes(tmp_path: Path, umask: int) -> None:
    """The folder is made with 0700, and all files are made with 0600, with any umask."""
    before = os.umask(umask)
    try:
        spool = Spool(tmp_path / "spool", "a")
        spool.prepare()
        spool.write(Product.VOICE, b"1")
        spool.release()
    finally:
        os.umask(before)
    assert stat.S_IMODE(spool.path.stat().st_mode) == 0o700
    assert len(list(spool.path.iterdir())) == 1
    assert modes(spool.path) == {0o600}


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_that_others_can_write_to(tmp_path: Path, mode: int) -> None:
    """A folder that other users can write to is refused."""
    tmp_path.chmod(mode)
    with pytest.raises(InvalidRequestError, match="must not be writable by other users: chmod 700"):
        Spool(tmp_path, "a").prepare()
    assert list(tmp_path.iterdir()) == []


def test_a_second_process(tmp_path: Path) -> None:
    """A folder that is in use is refused, in another process, too, and free after the release or a kill."""
    first = Spool(tmp_path, "a")
    first.prepare()
    with pytest.raises(InvalidRequestError, match="by one client of one process at a time"):
        Spool(tmp_path, "a").prepare()
    program = (
        "import sys; from emay_voice_async.reports.spool import Spool\n"
        "spool = Spool(sys.argv[1], 'a')\n"
        "spool.prepare()\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    refused = subprocess.run(command, check=False, input="", capture_output=True, text=True)
    assert "at a time" in refused.stderr
    first.release()
    first.release()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(InvalidRequestError, match="at a time"):
            Spool(tmp_path, "a").prepare()
        process.kill()
    second = Spool(tmp_path, "a")
    second.prepare()
    del second
    Spool(tmp_path, "a").prepare()


@pytest.mark.parametrize("error", [errno.ENOLCK, errno.EOPNOTSUPP, None])
def test_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: int | None
) -> None:
    """Where the system has no locks the spool works without; a file system without locks is logged."""

    class NoLocks:
        LOCK_EX = LOCK_NB = 0

        def flock(self, *_: int) -> None:
            """Fail as some network file systems do."""
            assert error is not None
            raise OSError(error, os.strerror(error))

    monkeypatch.setattr(spool_module, "fcntl", None if error is None else NoLocks())
    for spool in (Spool(tmp_path, "a"), Spool(tmp_path, "a")):
        spool.prepare()
        assert spool.write(Product.VOICE, b"1").exists()
    assert ("cannot be locked" in caplog.text) == (error is not None)


@pytest.mark.parametrize("app_id", ["a", "EMAY-APP-1", "a/b", "..", "密", "a b%", "voice-x"])
def test_each_account_has_a_folder(tmp_path: Path, app_id: str) -> None:
    """Leftovers of the same account are delivered, with any characters; another account is refused by name."""
    spool = Spool(tmp_path, app_id)
    spool.prepare()
    file = spool.write(Product.JOIN, b"1")
    assert file.parent == tmp_path
    spool.release()
    with pytest.raises(InvalidRequestError, match="reports of another account") as caught:
        Spool(tmp_path, "another").prepare()
    assert f"({app_id})" in str(caught.value)
    again = Spool(tmp_path, app_id)
    again.prepare()
    assert list(again.leftovers()) == [(file, Product.JOIN, b"1")]


def test_incomplete_files_are_removed_at_the_start(tmp_path: Path) -> None:
    """Incomplete answers are removed, whole answers become leftovers, and other files stay."""
    whole, half = f"{2:020}-0123abcd-voice-a.part", f"{3:020}-0123abcd-voice-a.part"
    (tmp_path / whole).write_bytes(b'{"code":"SUCCESS"}')
    (tmp_path / half).write_bytes(b'{"code":"SUCC')
    (tmp_path / f"{4:020}-0123abcd-join-a.part").symlink_to(tmp_path / whole)
    (tmp_path / "mine.part").write_bytes(b"x")
    spool = Spool(tmp_path, "a")
    spool.prepare()
    assert [body for _, _, body in spool.leftovers()] == [b'{"code":"SUCCESS"}']
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {"mine.part", whole.replace(".part", ".json")}


def test_a_full_disk_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that cannot be written leaves no part behind."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        Spool(tmp_path, "a").write(Product.VOICE, b"1")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The file is written all the same, and is known, so that it goes with its last report."""

    def flush(opened: int) -> None:
        if stat.S_ISDIR(os.fstat(opened).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr("os.fsync", flush)
    file = Spool(tmp_path, "a").write(Product.VOICE, b"1")
    assert list(tmp_path.iterdir()) == [file]
    assert "the folder of the spool cannot be flushed" in caplog.text


@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "pipe"])
def test_other_kinds_of_files_are_not_read(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A link, a folder or a pipe with the name of an answer is logged and left alone."""
    target, file = tmp_path / "secret", tmp_path / f"{STEM}.json"
    target.write_bytes(b"{}")
    match kind:
        case "link":
            file.symlink_to(target)
        case "dangling":
            file.symlink_to(tmp_path / "missing")
        case "folder":
            file.mkdir()
        case "pipe":
            os.mkfifo(file)
    spool = Spool(tmp_path, "a")
    spool.prepare()
    assert list(spool.leftovers()) == []
    assert "cannot be read" in caplog.text
    assert os.path.lexists(file)


def test_paths_that_are_no_folder(tmp_path: Path) -> None:
    """A dangling link, a file, or a value that is no path is refused with a sentence; a link to a folder works."""
    (tmp_path / "dangling").symlink_to(tmp_path / "missing")
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    for path, found in (("dangling", "a dangling link"), ("file", "a file")):
        with pytest.raises(InvalidRequestError, match=f"must be a folder, or not exist yet .found {found}"):
            Spool(tmp_path / path, "a")
    for wrong in (7, b"folder", "a\0b", ["folder"]):
        with pytest.raises(InvalidRequestError, match="must be the path of a folder"):
            Spool(wrong, "a")  # type: ignore[arg-type]
    Spool(tmp_path / "link", "a").prepare()
