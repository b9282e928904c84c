"""Reading a folder when parts of it cannot be read: told by name, and nothing that it held is lost."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flotilla_galley.snapshot.ledger import Ledger, State
from flotilla_galley.sources import folder as folders
from flotilla_galley.sources.mesh import MeshSource
from flotilla_galley.sources.readings import DirectorySource

ENTRY = (
    "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {{name: {name}}}\nspec: {{address: 1.2.3.4}}\n"
)
NOBODY = 65534


@contextmanager
def an_ordinary_user() -> Iterator[None]:
    """Rights count: root, who may read everything, is somebody else meanwhile."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that an ordinary user may enter, with a file of its own and one in a folder below."""
    around = Path(tempfile.mkdtemp())
    around.chmod(0o755)
    made = around / "config"
    (made / "sub").mkdir(parents=True)
    (made / "a.yaml").write_text(ENTRY.format(name="x"))
    (made / "sub" / "b.yaml").write_text(ENTRY.format(name="y"))
    yield made
    for path in (made, *made.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(around)


def replace(path: Path, how: Callable[[Path], object]) -> None:
    """Something else in the place of a file or a folder."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    how(path)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


# What is done to the folder: the name that is told, the code, words of the text, and whose object it was.
CASES = {
    "a file without rights": (lambda p: (p / "a.yaml").chmod(0), "a.yaml", "file-unreadable", "Permission denied", "x"),
    "a folder without rights": (
        lambda p: (p / "sub").chmod(0),
        "sub",
        "directory-unreadable",
        "Permission denied",
        "y",
    ),
    "a folder that can be listed and not entered": (
        lambda p: (p / "sub").chmod(0o644),
        "sub/b.yaml",
        "file-unreadable",
        "Permission denied",
        "y",
    ),
    "a link to nothing": (
        lambda p: replace(p / "a.yaml", lambda file: file.symlink_to("gone")),
        "a.yaml",
        "file-unreadable",
        "a link to what is not there",
        "x",
    ),
    "a link to itself": (
        lambda p: replace(p / "a.yaml", lambda file: file.symlink_to("a.yaml")),
        "a.yaml",
        "file-unreadable",
        "symbolic links",
        "x",
    ),
    "a folder's link to nothing": (
        lambda p: replace(p / "sub", lambda path: path.symlink_to("gone")),
        "sub",
        "directory-unreadable",
        "a link to what is not there",
        "y",
    ),
    "a named pipe": (
        lambda p: replace(p / "a.yaml", os.mkfifo),
        "a.yaml",
        "file-unreadable",
        "no regular file",
        "x",
    ),
    "a socket": (lambda p: replace(p / "a.yaml", a_socket), "a.yaml", "file-unreadable", "No such device", "x"),
    "bytes that are no text": (
        lambda p: (p / "a.yaml").write_bytes(b"\xff\xfe"),
        "a.yaml",
        "file-unreadable",
        "no UTF-8",
        "x",
    ),
}


@pytest.mark.parametrize("case", list(CASES))
def test_what_cannot_be_read_is_told_and_keeps_its_objects(place: Path, case: str) -> None:
    spoil, file, code, words, owner = CASES[case]
    source = DirectorySource(place)
    ledger = Ledger().read(source.read())
    spoil(place)
    with an_ordinary_user():
        ledger = ledger.read(source.read())
    (problem,) = ledger.problems
    assert (problem.file, problem.code) == (file, code)
    assert words in problem.text
    states = {key.name: entry.state for key, entry in ledger.entries.items()}
    other = {"x": "y", "y": "x"}[owner]
    assert states == {owner: State.LAST_GOOD, other: State.PUBLISHED}
    (kept,) = (entry for key, entry in ledger.entries.items() if key.name == owner)
    assert kept.problems == (problem,)


@pytest.mark.parametrize("case", list(CASES))
def test_what_can_be_read_again_is_published_again(place: Path, case: str) -> None:
    source = DirectorySource(place)
    ledger = Ledger().read(source.read())
    CASES[case][0](place)
    with an_ordinary_user():
        ledger = ledger.read(source.read())
    sub = place / "sub"
    if sub.is_symlink():
        sub.unlink()
        sub.mkdir()
    sub.chmod(0o755)
    for file, name in ((place / "a.yaml", "x"), (sub / "b.yaml", "y")):
        file.unlink(missing_ok=True)
        file.write_text(ENTRY.format(name=name))
    with an_ordinary_user():
        ledger = ledger.read(source.read())
    assert ledger.problems == ()
    assert {entry.state for entry in ledger.entries.values()} == {State.PUBLISHED}


def test_a_directory_without_rights_loses_nothing(place: Path) -> None:
    source = DirectorySource(place)
    ledger = Ledger().read(source.read())
    place.chmod(0)
    with an_ordinary_user():
        ledger = ledger.read(source.read())
    assert [problem.code for problem in ledger.problems] == ["directory-unreadable"]
    assert {entry.state for entry in ledger.entries.values()} == {State.PUBLISHED}


def test_what_is_gone_while_it_is_read_is_no_problem(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Listed, and removed before it is opened: an ordinary removal."""
    real = folders.read_text

    def remove_first(file: Path) -> str:
        if file.name == "a.yaml":
            file.unlink()
        return real(file)

    monkeypatch.setattr(folders, "read_text", remove_first)
    found = folders.read_folder(place)
    assert (list(found.texts), found.problems) == (["sub/b.yaml"], ())


@pytest.mark.parametrize("spoil", ["mkfifo", "link"])
def test_a_mesh_configuration_that_is_no_file_keeps_the_last_good_one(tmp_path: Path, spoil: str) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text("trustDomain: example.com\n")
    source = MeshSource(file, "istio-system")
    ledger = Ledger().read(source.read())
    replace(file, os.mkfifo if spoil == "mkfifo" else lambda path: path.symlink_to("gone"))
    ledger = ledger.read(source.read())
    assert [problem.code for problem in ledger.problems] == ["mesh-unreadable"]
    assert [entry.item.spec.trust_domain for entry in ledger.entries.values() if entry.item] == ["example.com"]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were opened, in order."""
    found: list[str] = []
    read_text = folders.read_text

    def noted(file: Path) -> str:
        found.append(file.name)
        return read_text(file)

    monkeypatch.setattr(folders, "read_text", noted)
    return found


def test_what_has_settled_is_not_opened_again(place: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "SETTLED_NS", 0)
    first = folders.read_folder(place)
    assert opened == ["a.yaml", "b.yaml"]
    (place / "c.yaml").write_text("new")
    (place / "a.yaml").write_text("other")
    second = folders.read_folder(place, first)
    assert opened[2:] == ["a.yaml", "c.yaml"]
    assert second.texts == {"a.yaml": "other", "c.yaml": "new", "sub/b.yaml": first.texts["sub/b.yaml"]}
    (place / "sub" / "b.yaml").unlink()
    assert sorted(folders.read_folder(place, second).texts) == ["a.yaml", "c.yaml"]
    assert len(opened) == 4


def test_what_was_written_just_now_is_opened_again(place: Path, opened: list[str]) -> None:
    """A second writing within one tick of the file system's clock changes neither size nor times."""
    first = folders.read_folder(place)
    assert first.stamps == {}
    folders.read_folder(place, first)
    assert opened == ["a.yaml", "b.yaml"] * 2


@pytest.mark.parametrize("change", ["replaced", "swapped", "closed"])
def test_another_file_of_the_same_size_and_time_is_another(
    place: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(folders, "SETTLED_NS", 0)
    file, other = place / "a.yaml", place.parent / "other"
    first = folders.read_folder(place)
    other.write_text(ENTRY.format(name="z"))
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    if change == "replaced":
        other.replace(file)
    elif change == "swapped":
        file.unlink()
        file.symlink_to(other)
    else:
        file.chmod(0)
    with an_ordinary_user():
        second = folders.read_folder(place, first)
    if change == "closed":
        assert second.unreadable == {"a.yaml"}
    else:
        assert second.texts["a.yaml"] == ENTRY.format(name="z")
