"""Files are seen in full or not at all."""

import os
import threading
from pathlib import Path

import pytest

from stream.files import atomic_file, atomic_write


def modes(folder: Path) -> dict[str, int]:
    """The files of a folder, hidden ones too, and their permission bits."""
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


def test_the_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    """The new content is there, and no temporary file beside it."""
    path = tmp_path / "marker.json"
    atomic_write(path, b"old and longer")
    atomic_write(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(modes(tmp_path)) == ["marker.json"]


def test_a_failed_block_leaves_the_old_file(tmp_path: Path) -> None:
    """What was written before an error is gone, whatever the error, and the old content stays."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"old")
    for error in (ValueError("bad row"), KeyboardInterrupt()):
        with pytest.raises(type(error)), atomic_file(path) as file:
            file.write(b"half of the new one")
            raise error
    assert path.read_bytes() == b"old"
    assert list(modes(tmp_path)) == ["log.jsonl"]


@pytest.mark.slow
def test_readers_never_see_a_part_of_a_file(tmp_path: Path) -> None:
    """While one thread replaces a file again and again, a reader sees one of the contents in full."""
    path = tmp_path / "pointer"
    contents = {bytes([letter]) * 100_000 for letter in b"ab"}
    atomic_write(path, next(iter(contents)))
    done = threading.Event()

    def replace() -> None:
        for content in list(contents) * 10:
            atomic_write(path, content)
        done.set()

    writer = threading.Thread(target=replace)
    writer.start()
    seen = [path.read_bytes()]
    while not done.is_set():
        seen.append(path.read_bytes())
    writer.join()
    assert set(seen) <= contents


def test_a_new_file_has_the_mode_of_the_umask(tmp_path: Path) -> None:
    """Without a mode a new file is as readable as any other that the process makes."""
    (tmp_path / "plain").write_bytes(b"")
    atomic_write(tmp_path / "atomic", b"")
    assert modes(tmp_path)["atomic"] == modes(tmp_path)["plain"]


def test_the_mode_of_a_replaced_file_stays(tmp_path: Path) -> None:
    """A file that only its owner may read stays so, and one that a group may write to."""
    for mode in (0o600, 0o664):
        path = tmp_path / f"{mode:o}"
        path.write_bytes(b"old")
        path.chmod(mode)
        atomic_write(path, b"new")
        assert modes(tmp_path)[path.name] == mode


def test_a_given_mode_holds_for_old_and_new_files(tmp_path: Path) -> None:
    """The mode asked for beats the umask and the replaced file's mode."""
    path = tmp_path / "CHAMPION"
    for _ in range(2):
        atomic_write(path, b"1", mode=0o644)
        assert modes(tmp_path) == {"CHAMPION": 0o644}
        path.chmod(0o600)


def test_a_symbolic_link_is_replaced(tmp_path: Path) -> None:
    """What a link points to stays as it was; the link becomes the file."""
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    atomic_write(link, b"new")
    assert (target.read_bytes(), link.read_bytes(), link.is_symlink()) == (b"old", b"new", False)


def test_content_and_name_are_synced(tmp_path: Path) -> None:
    """The file is synced before it gets its name, the folder after it."""
    path = tmp_path / "marker"
    synced: list[str] = []

    def sync(handle: int) -> None:
        name = Path(f"/proc/self/fd/{handle}").readlink().name
        synced.append(f"{name}, named: {path.exists()}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", sync)
        atomic_write(path, b"1")
    temporary, folder = synced
    assert temporary.startswith(".marker.")
    assert temporary.endswith("named: False")
    assert folder == f"{tmp_path.name}, named: True"


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """An OSError tells of a folder that does not exist."""
    with pytest.raises(FileNotFoundError):
        atomic_write(tmp_path / "missing" / "marker", b"1")
