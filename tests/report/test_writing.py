"""Output never replaces what is no file of its own kind, and hands on what a file had."""

from __future__ import annotations

import os
import pty
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from stability_sweep.errors import OutputError
from stability_sweep.report.files.writing import PRIVATE, check_place, write_output


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names_in(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


@pytest.mark.parametrize("umask", [0o022, 0o027])
def test_a_new_file_has_the_rights_that_the_umask_leaves(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_output(tmp_path / "deep" / "new.csv", b"new")
        write_output(tmp_path / "private.pt", b"new", mode=PRIVATE)
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "deep" / "new.csv") == 0o666 & ~umask
    assert mode_of(tmp_path / "private.pt") == 0o600


def test_a_replaced_file_hands_on_its_rights_and_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(b"old")
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 12345, 12346)
    before = path.stat()
    write_output(path, b"new")
    after = path.stat()
    assert path.read_bytes() == b"new"
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino  # it was complete before it took the place
    assert names_in(tmp_path) == ["report.html"]


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_its_target_is_written(tmp_path: Path, exists: bool) -> None:
    target = tmp_path / "elsewhere" / "target.csv"
    target.parent.mkdir()
    if exists:
        target.write_bytes(b"old")
    (tmp_path / "second").symlink_to(Path("elsewhere") / "target.csv")
    (tmp_path / "first").symlink_to("second")
    write_output(tmp_path / "first", b"new")
    assert target.read_bytes() == b"new"
    assert (tmp_path / "first").is_symlink()
    assert (tmp_path / "second").is_symlink()
    assert names_in(target.parent) == ["target.csv"]


def test_links_in_a_circle_are_told(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OutputError, match=r"a: cannot be written: its links go round in a circle; nothing was changed"):
        write_output(tmp_path / "a", b"new")


def make_database(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE precious (x)")
    connection.commit()
    return connection


@pytest.mark.parametrize("name", ["study.db", "study.db-wal", "study.db-shm", "study.db-journal", "link"])
def test_a_database_is_never_replaced(tmp_path: Path, name: str) -> None:
    with closing(make_database(tmp_path / "study.db")) as connection:
        (tmp_path / "link").symlink_to("study.db")
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        with pytest.raises(OutputError, match="got a database, which output never replaces; choose another name"):
            write_output(tmp_path / name, b"new")
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
        assert connection.execute("SELECT count(*) FROM precious").fetchone() == (0,)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="expected the name of a file, got a folder; name a file in it"):
        write_output(tmp_path, b"new")


def test_a_named_pipe_is_written_into_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(path.read_bytes()))
    reader.start()
    write_output(path, b"x" * 200_000)
    reader.join()
    assert received == [b"x" * 200_000]
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert names_in(tmp_path) == ["pipe"]
    with pytest.raises(OutputError, match="expected the name of a file, got a device or a pipe"):
        check_place(path, only_files=True)


def test_a_terminal_is_written_into_and_keeps_its_rights() -> None:
    leader, follower = pty.openpty()
    path = Path(os.ttyname(follower))
    before = path.stat()
    write_output(path, b"new")
    assert os.read(leader, 100) == b"new"
    assert (path.stat().st_mode, path.stat().st_ino) == (before.st_mode, before.st_ino)
    os.close(leader)
    os.close(follower)


def test_a_socket_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        with pytest.raises(OutputError, match="cannot be written: No such device or address"):
            write_output(path, b"new")
        assert stat.S_ISSOCK(path.stat().st_mode)


WRITE = "import sys; from pathlib import Path; from stability_sweep.report.files.writing import write_output; "


def test_standard_output_is_written_into_wherever_it_leads(tmp_path: Path) -> None:
    code = f"{WRITE}print('before'); write_output(Path('/dev/stdout'), b'content\\n'); print('after')"
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"before\ncontent\nafter\n"
    path = tmp_path / "log"
    path.write_bytes(b"kept\n")
    with path.open("ab") as file:
        subprocess.run(command, stdout=file, check=True)
    assert path.read_bytes() == b"kept\nbefore\ncontent\nafter\n"


def test_a_process_of_the_shell_can_take_the_output(tmp_path: Path) -> None:
    code = f"{WRITE}write_output(Path(sys.argv[1]), b'content')"
    subprocess.run(
        ["bash", "-c", '"$0" -c "$1" >(cat > "$2/copy"); wait $!', sys.executable, code, str(tmp_path)], check=True
    )
    assert (tmp_path / "copy").read_bytes() == b"content"


def test_a_write_protected_file_and_folder_are_told(open_folder: Path) -> None:
    path = open_folder / "report.html"
    path.write_bytes(b"old")
    path.chmod(0o444)
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from stability_sweep.errors import OutputError\n"
        "from stability_sweep.report.files.writing import write_output\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "for name in ('report.html', 'new.html'):\n"
        "    try: write_output(Path(sys.argv[1]) / name, b'new')\n"
        "    except OutputError as error: print(error)\n"
    )
    if os.geteuid() != 0:
        open_folder.chmod(0o555)
    done = subprocess.run([sys.executable, "-c", code, str(open_folder)], capture_output=True, text=True, check=False)
    open_folder.chmod(0o755)
    assert "report.html: cannot be written: it is write-protected; nothing was changed there" in done.stdout, (
        done.stderr
    )
    assert "new.html: cannot be written: Permission denied; nothing was changed there" in done.stdout
    assert path.read_bytes() == b"old"
