"""A change of some files is a glance at these: it finds what a look at the whole folder would, or asks for that."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_galley.sources import folder as folders
from flotilla_galley.sources import watching
from flotilla_galley.sources.folder import FolderReading, read_again, read_folder
from flotilla_galley.sources.readings import DirectorySource
from flotilla_galley.sources.watching import MOST_NAMED, Named, News, changes

ENTRY = "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {{name: {}}}\nspec: {{address: {}}}\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    made = tmp_path / "config"
    (made / "sub").mkdir(parents=True)
    for name in ("a", "b", "sub/c"):
        (made / f"{name}.yaml").write_text(f"kind: {name}\n")
    return made


def test_only_the_files_that_are_named_are_looked_at(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_folder(place)
    (place / "a.yaml").write_text("kind: other\n")
    (place / "b.yaml").write_text("kind: other, too\n")
    read, opened = folders.read_text, list[str]()
    monkeypatch.setattr(folders, "read_text", lambda file: opened.append(file.name) or read(file))
    found = read_again(place, before, [str(place / "a.yaml")])
    assert found is not None
    assert list(found.texts.items()) == [("a.yaml", "kind: other\n"), *list(before.texts.items())[1:]]
    assert opened == ["a.yaml"]


# What happens, and the path that is heard of.
NOTHING: dict[str, Callable[[Path], Path]] = {
    "beside the folder": lambda place: _written(place.parent / "mesh.yaml"),
    "a file that another was written by": lambda place: place / ".a.yaml.new",
    "the same again": lambda place: place / "a.yaml",
}
NOT_ENOUGH: dict[str, Callable[[Path], Path]] = {
    "a new file": lambda place: _written(place / "d.yaml"),
    "a file of another kind": lambda place: _written(place / "README"),
    "a hidden file that is there": lambda place: _written(place / ".d.yaml"),
    "a new folder": lambda place: _made(place / "more"),
    "a file that is gone": lambda place: _gone(place / "a.yaml"),
    "a folder that is gone": lambda place: _gone(place / "sub"),
    "a file that is a folder now": lambda place: _made(_gone(place / "a.yaml")),
    "a file that is a link now": lambda place: _linked(_gone(place / "a.yaml"), place / "b.yaml"),
    "a file that is no text now": lambda place: _written(place / "a.yaml", b"\xff"),
}


def _written(path: Path, content: bytes = b"kind: d\n") -> Path:
    path.write_bytes(content)
    return path


def _made(path: Path) -> Path:
    path.mkdir()
    return path


def _gone(path: Path) -> Path:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return path


def _linked(path: Path, target: Path) -> Path:
    path.symlink_to(target)
    return path


@pytest.mark.parametrize("case", NOTHING)
def test_what_changes_nothing(place: Path, case: str) -> None:
    before = read_folder(place)
    found = read_again(place, before, [str(NOTHING[case](place))])
    assert found is not None
    assert found.texts == before.texts


@pytest.mark.parametrize("case", NOT_ENOUGH)
def test_where_all_has_to_be_looked_at(place: Path, case: str) -> None:
    before = read_folder(place)
    assert read_again(place, before, [str(NOT_ENOUGH[case](place))]) is None


@pytest.mark.parametrize("link", ["l.yaml", "below"])
def test_with_a_link_a_file_may_change_unheard_of(place: Path, link: str) -> None:
    _linked(place / link, place / ("b.yaml" if link.endswith("yaml") else "sub"))
    before = read_folder(place)
    assert before.linked
    assert read_again(place, before, [str(place / "a.yaml")]) is None


def test_after_a_reading_that_was_not_whole_all_is_looked_at(place: Path) -> None:
    assert read_again(place, FolderReading(whole=False), []) is None
    _written(place / "a.yaml", b"\xff")
    assert read_again(place, read_folder(place), []) is None


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["write", "replace", "delete", "move", "link", "spoil", "folder"]),
        st.sampled_from(["a.yaml", "b.yaml", "sub/c.yaml", "sub/d.yml", "new/e.yaml", "notes"]),
        st.sampled_from(["1.1.1.1", "2.2.2.2", "no good"]),
    ),
    max_size=12,
)


def do(place: Path, step: tuple[str, str, str]) -> set[str]:
    """Does it, where it can be done; gives the paths that a watch would name."""
    what, name, address = step
    path = place / name
    named = {str(path), *(str(each) for each in path.parents if not each.exists())}
    path.parent.mkdir(exist_ok=True)
    if path.is_dir():
        return named
    if what == "delete":
        path.unlink(missing_ok=True)
    elif what == "move" and path.exists():
        path.rename(place / "moved.yaml")
        named.add(str(place / "moved.yaml"))
    elif what == "link" and not path.exists():
        path.unlink(missing_ok=True)
        path.symlink_to(place / "a.yaml")
    elif what == "spoil":
        path.write_bytes(b"kind: [\xff")
    elif what == "folder" and not os.path.lexists(path):
        path.mkdir()
    elif what == "replace":
        fresh = place / ".fresh"
        fresh.write_text(ENTRY.format(name[0], address))
        fresh.replace(path)
        named.add(str(fresh))
    elif what == "write":
        path.write_text(ENTRY.format(name[0], address))
    return named


@given(st.lists(STEPS, max_size=5))
def test_whatever_happens_a_glance_finds_what_a_look_would(rounds: list[list[tuple[str, str, str]]]) -> None:
    place = Path(tempfile.mkdtemp()).resolve()
    (place / "a.yaml").write_text(ENTRY.format("x", "3.3.3.3"))
    source = DirectorySource(place)
    try:
        source.read()
        for steps in rounds:
            source.told(frozenset().union(*(do(place, step) for step in steps)))
            found, fresh = source.read(), DirectorySource(place).read()
            if fresh.problems and fresh.problems[0].code == "directory-empty":
                assert found.lost  # there were files before
                return
            assert written(found) == written(fresh)
            assert (found.problems, found.uncertain) == (fresh.problems, fresh.uncertain)
    finally:
        shutil.rmtree(place)


def written(reading: Any) -> list[tuple[Any, ...]]:
    return [(source.key, source.file, source.line, source.spec, verdict) for source, verdict in reading.objects]


class TestNews:
    def test_names_of_several_changes_are_one_glance(self) -> None:
        news = News()
        news.told(frozenset("a"))
        news.told(frozenset("b"))
        assert news.take() == frozenset("ab")

    def test_who_was_told_nothing_looks_at_all(self) -> None:
        news = News()
        assert news.take() is None
        news.told(frozenset())
        assert (news.take(), news.take()) == (frozenset(), None)

    def test_anything_is_more_than_some(self) -> None:
        news = News()
        for each in (frozenset("a"), None, frozenset("b")):
            news.told(each)
        assert news.take() is None
        news.told(frozenset("c"))
        assert news.take() == frozenset("c")

    def test_so_many_are_anything(self) -> None:
        news = News()
        for number in range(MOST_NAMED + 2):
            news.told(frozenset([str(number)]))
        assert news.take() is None


async def test_events_name_files_and_a_slow_look_is_not_put_off_by_them(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, stop = [1.0], asyncio.Event()
    monkeypatch.setattr(watching, "SLOW_LOOK_MS", 100_000)
    monkeypatch.setattr(watching, "time", SimpleNamespace(monotonic=lambda: now[0]))
    heard: asyncio.Queue[Named] = asyncio.Queue()

    async def follow() -> None:
        async for named in changes([place], stop):
            heard.put_nowait(named)

    following = asyncio.create_task(follow())
    file = place / "a.yaml"

    async def written_until_heard() -> Named:
        while heard.empty():  # the watch begins in a thread of its own
            file.write_text("kind: again\n")
            await asyncio.sleep(0.02)
        return heard.get_nowait()

    assert await written_until_heard() == {str(file)}
    now[0] += 101
    while await written_until_heard() is not None:
        pass
    stop.set()
    await following
