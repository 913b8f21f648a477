"""Files with phone numbers: created for the owner alone, and refused when other users could change them."""

import asyncio
import grp
import os
import stat
from pathlib import Path

import pytest

from emay_voice_async.errors import JournalError
from emay_voice_async.journal.files import check_owners, create_private
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.testing.journal.values import PURPOSE

NOBODY = 65534
as_root = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="needs the rights to change owners"
)
pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX modes")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a file that does not exist yet."""
    return tmp_path / "run.db"


@pytest.fixture
def as_other_user(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let this process look like another user than the owner of its files; return the user id."""
    user = os.geteuid() + 1000
    monkeypatch.setattr(os, "geteuid", lambda: user)
    return user


def refused(path: Path) -> str:
    """Return the reason why a journal at ``path`` is refused, by a start and by a direct check."""
    with pytest.raises(JournalError) as caught:
        create_private(path)
    with pytest.raises(JournalError) as started:
        asyncio.run(SqliteJournal(path).start(PURPOSE))
    assert started.value.reason == caught.value.reason
    return caught.value.reason


def test_a_new_file_is_private(path: Path) -> None:
    """A new file has mode 0600 with any umask; an existing file is not changed."""
    before = os.umask(0)
    try:
        create_private(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(b"content")
    create_private(path)
    assert path.read_bytes() == b"content"


def test_a_dangling_link(path: Path) -> None:
    """A link to a missing file is refused, and the missing file is not created."""
    target = path.with_name("elsewhere.db")
    path.symlink_to(target)
    assert refused(path) == "it is a link to a file that does not exist"
    assert not target.exists()


@pytest.mark.parametrize("mode", [0o602, 0o622, 0o666])
def test_a_file_that_others_can_write(path: Path, mode: int) -> None:
    """A file that all users can write is refused, and the reason names the command that mends it."""
    path.touch()
    path.chmod(mode)
    assert refused(path) == f"other users can write to run.db: chmod go-w {path}"
    path.chmod(0o644)
    create_private(path)


@pytest.mark.parametrize("side", ["wal", "shm", "journal"])
def test_a_side_file_that_others_can_write(path: Path, side: str) -> None:
    """A side file that all users can write is refused: SQLite takes data from side files."""
    path.touch(0o600)
    beside = path.with_name(f"run.db-{side}")
    beside.touch()
    beside.chmod(0o666)
    assert refused(path) == f"other users can write to run.db-{side}: chmod go-w {beside}"


def test_a_side_file_that_is_a_link(path: Path) -> None:
    """A side file that is a link is refused."""
    path.touch(0o600)
    path.with_name("run.db-wal").symlink_to(path)
    assert refused(path) == "run.db-wal is not a file"


def test_a_side_file_of_a_missing_journal(path: Path) -> None:
    """A side file with data, without its journal, is not applied to a new journal."""
    path.with_name("run.db-wal").write_bytes(b"frames")
    reason = "run.db-wal belongs to a journal that is missing: restore the journal, or remove it"
    assert refused(path) == reason
    assert not path.exists()


def test_a_folder_that_others_can_write(path: Path) -> None:
    """A folder where all users can rename files is refused, unless it is sticky."""
    path.parent.chmod(0o777)
    assert (
        refused(path)
        == f"other users can write to its folder: chmod go-w {path.parent}, or use another folder"
    )
    path.parent.chmod(0o1777)
    create_private(path)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_a_path_that_is_not_a_file(path: Path, kind: str) -> None:
    """A folder and a named pipe are refused."""
    if kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path, 0o600)
    with pytest.raises(JournalError, match="it is not a file"):
        create_private(path)


def test_a_file_of_another_user(path: Path, as_other_user: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another user owns is refused, and a file of root is not."""
    path.touch(0o600)
    if path.stat().st_uid:
        with pytest.raises(JournalError, match=r"run.db belongs to another user"):
            check_owners(path)
    else:
        check_owners(path)


@as_root
def test_owners(path: Path, as_other_user: int) -> None:
    """Files and side files of a third user are refused; root may use files of all users."""
    path.touch(0o600)
    side = path.with_name("run.db-wal")
    side.touch(0o600)
    check_owners(path)
    os.chown(side, NOBODY, NOBODY)
    with pytest.raises(JournalError, match=r"run.db-wal belongs to another user"):
        check_owners(path)
    os.chown(path, NOBODY, NOBODY)
    with pytest.raises(JournalError, match=r"run.db belongs to another user"):
        check_owners(path)


@as_root
def test_root_may_use_files_of_all_users(path: Path) -> None:
    """Root may use a file of another user."""
    path.touch(0o600)
    os.chown(path, NOBODY, NOBODY)
    check_owners(path)


@as_root
def test_a_link_of_another_user(path: Path) -> None:
    """A link that another user made to a file of this user is refused; a link of the file's owner is followed."""
    target = path.with_name("target.db")
    target.touch(0o600)
    path.symlink_to(target)
    check_owners(path)
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    assert refused(path) == "it is a link of another user"
    os.chown(target, NOBODY, NOBODY)
    check_owners(path)


def test_a_group_with_other_members(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that a group can write is refused, unless the group is private to this user."""
    path.touch()
    path.chmod(0o660)
    check_owners(path)
    entry = grp.getgrgid(os.getegid())
    shared = grp.struct_group((entry.gr_name, "x", entry.gr_gid, ["somebody"]))
    with monkeypatch.context() as patch:
        patch.setattr(grp, "getgrgid", lambda _: shared)
        with pytest.raises(JournalError, match="other users can write"):
            check_owners(path)

    def unknown(_: int) -> object:
        raise KeyError

    monkeypatch.setattr(grp, "getgrgid", unknown)
    check_owners(path)
    monkeypatch.setattr(os, "getegid", lambda: path.stat().st_gid + 1)
    with pytest.raises(JournalError, match="other users can write"):
        check_owners(path)
