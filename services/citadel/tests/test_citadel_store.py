"""The root in a folder: modes, half pairs, races, and that nothing is ever replaced."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flotilla_citadel.ca.root import RootPem, make_root
from flotilla_citadel.errors import StartRefused
from flotilla_citadel.publish.root_file import publish_root
from flotilla_citadel.store.establish import establish_root
from flotilla_citadel.store.file import CERTIFICATE, FOLDER, KEY, FileStore

NOW = datetime.now(UTC)


def new_root() -> RootPem:
    return make_root("cluster.local", NOW)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A store with a root; gives its folder."""
    establish_root(FileStore(tmp_path), new_root, NOW)
    return tmp_path / FOLDER


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_root_is_made_once(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "deep" / "store")
    first, created = establish_root(store, new_root, NOW)
    second, again = establish_root(store, new_root, NOW)
    assert (created, again) == (True, False)
    assert first.certificate == second.certificate


def test_modes(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        establish_root(FileStore(tmp_path / "store"), new_root, NOW)
    finally:
        os.umask(before)
    folder = tmp_path / "store" / FOLDER
    assert [mode(path) for path in (folder.parent, folder, folder / KEY, folder / CERTIFICATE)] == [
        0o700,
        0o700,
        0o600,
        0o644,
    ]
    assert os.listdir(folder.parent) == [FOLDER]


def test_a_full_place_is_not_written(stored: Path) -> None:
    before = (stored / KEY).read_bytes()
    assert FileStore(stored.parent).create(new_root()) is False
    assert (stored / KEY).read_bytes() == before
    assert os.listdir(stored.parent) == [FOLDER]


@pytest.mark.parametrize("wide", [0o640, 0o604, 0o644, 0o610, 0o602])
def test_a_key_that_others_can_use_is_refused(stored: Path, wide: int) -> None:
    (stored / KEY).chmod(wide)
    with pytest.raises(StartRefused, match=rf"others than its owner \(mode 0{wide:o}\): chmod 600 "):
        FileStore(stored.parent).load()


def test_a_key_of_another_root_is_refused(stored: Path) -> None:
    (stored / KEY).write_bytes(new_root().key)
    with pytest.raises(StartRefused, match=f"{stored}: the private key does not belong to the certificate.*never repl"):
        establish_root(FileStore(stored.parent), new_root, NOW)


@pytest.mark.parametrize("missing", [KEY, CERTIFICATE])
def test_half_a_pair_is_refused_and_left_alone(stored: Path, missing: str) -> None:
    (stored / missing).unlink()
    with pytest.raises(StartRefused, match=f"{missing} is missing and its other half is there"):
        establish_root(FileStore(stored.parent), new_root, NOW)
    assert len(os.listdir(stored)) == 1


@pytest.mark.parametrize(("name", "data"), [(KEY, b""), (KEY, b"\x00\xff"), (CERTIFICATE, b""), (CERTIFICATE, b"x")])
def test_damaged_files_are_refused_and_left_alone(stored: Path, name: str, data: bytes) -> None:
    (stored / name).write_bytes(data)
    with pytest.raises(StartRefused, match=str(stored)):
        establish_root(FileStore(stored.parent), new_root, NOW)
    assert (stored / name).read_bytes() == data


def test_files_that_are_too_long_are_not_read(stored: Path) -> None:
    (stored / CERTIFICATE).write_bytes(b"x" * 70_000)
    with pytest.raises(StartRefused, match="longer than 65536 bytes"):
        FileStore(stored.parent).load()


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartRefused, match=r"cannot be read: Not a directory"):
        FileStore(tmp_path / "file").load()
    with pytest.raises(StartRefused, match=r"the root cannot be stored: .* store_dir"):
        FileStore(tmp_path / "file").create(new_root())
    with pytest.raises(StartRefused, match=r"cannot be published: .* publish_root_file"):
        publish_root(tmp_path / "file" / "root-cert.pem", "pem")


def test_a_root_that_vanishes(tmp_path: Path) -> None:
    class Sieve(FileStore):
        def create(self, pem: RootPem) -> bool:
            return True

    with pytest.raises(StartRefused, match="vanished right after it was stored"):
        establish_root(Sieve(tmp_path), new_root, NOW)


RACER = """
import sys
from datetime import datetime, timezone
from pathlib import Path
from flotilla_citadel.ca.root import make_root
from flotilla_citadel.store.establish import establish_root
from flotilla_citadel.store.file import FileStore
now = datetime.now(timezone.utc)
def make():
    made = make_root("cluster.local", now)
    print("made", flush=True)  # every racer has seen the empty store before one may go on
    sys.stdin.readline()
    return made
root, created = establish_root(FileStore(Path(sys.argv[1])), make, now)
print(created, root.certificate.serial_number)
"""


def test_instances_that_race_on_an_empty_store_end_with_one_root(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACER, str(tmp_path / "store")]
    racers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [racer.stdout.readline() for racer in racers if racer.stdout] == ["made\n"] * 4
    for racer in racers:
        assert racer.stdin
        racer.stdin.write("\n")
        racer.stdin.flush()
    ends = [racer.communicate(timeout=30)[0].split() for racer in racers]
    assert sorted(created for created, _ in ends) == ["False", "False", "False", "True"]
    assert len({serial for _, serial in ends}) == 1
    assert os.listdir(tmp_path / "store") == [FOLDER]


def test_the_root_is_published_whole_and_for_everybody(tmp_path: Path) -> None:
    path = tmp_path / "run" / "root-cert.pem"
    for pem in ("first\n", "second\n"):
        publish_root(path, pem)
        assert (path.read_text(), mode(path)) == (pem, 0o644)
    assert os.listdir(path.parent) == ["root-cert.pem"]
