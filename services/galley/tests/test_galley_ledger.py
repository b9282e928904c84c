"""Which version of each object counts, over readings that are whole, partly broken, or lost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_galley.snapshot.last_good import LastGood
from flotilla_galley.snapshot.ledger import Ledger, Reading, State
from flotilla_galley.snapshot.snapshot import Snapshot, make_snapshot
from flotilla_galley.sources.mesh import MeshSource
from flotilla_galley.sources.readings import DirectorySource

GOOD = "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {{name: {name}}}\nspec: {{address: {address}}}\n"
BAD = "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {{name: {name}}}\nspec: {{address: 'a b'}}\n"
BROKEN = "kind: [\n"


def good(name: str, address: str = "1.2.3.4") -> str:
    return GOOD.format(name=name, address=address)


def bad(name: str) -> str:
    return BAD.format(name=name)


class Walk:
    """A directory that changes, and the ledger that follows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = DirectorySource(folder)
        self.ledger = Ledger()

    def to(self, files: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        """Make the directory hold these files; gives name -> (state, address) of every object."""
        for file in self.folder.iterdir():
            if file.name not in files:
                file.unlink()
        for name, text in files.items():
            (self.folder / name).write_text(text)
        self.ledger = self.ledger.read(self.source.read())
        return {
            key.name: (str(entry.state), getattr(entry.item.spec, "address", "") if entry.item is not None else "")
            for key, entry in self.ledger.entries.items()
        }


@pytest.fixture
def walk(folder: Path) -> Walk:
    return Walk(folder)


def test_published_changed_refused_mended_removed(walk: Walk) -> None:
    assert walk.to({"a.yaml": good("x")}) == {"x": ("published", "1.2.3.4")}
    assert walk.to({"a.yaml": good("x", "1.2.3.5")}) == {"x": ("published", "1.2.3.5")}
    assert walk.to({"a.yaml": bad("x")}) == {"x": ("last-good", "1.2.3.5")}
    assert walk.ledger.entries[next(iter(walk.ledger.entries))].problems[0].field == "spec.address"
    assert walk.to({"a.yaml": good("x", "1.2.3.6")}) == {"x": ("published", "1.2.3.6")}
    assert walk.to({"b.yaml": good("y")}) == {"y": ("published", "1.2.3.4")}


def test_what_never_was_good_is_refused(walk: Walk) -> None:
    assert walk.to({"a.yaml": bad("x")}) == {"x": ("refused", "")}
    assert list(walk.ledger.items) == []


def test_one_bad_object_does_not_harm_its_neighbours(walk: Walk) -> None:
    found = walk.to({"a.yaml": "---\n".join([good("x"), bad("y"), BROKEN, good("z")])})
    assert found == {"x": ("published", "1.2.3.4"), "y": ("refused", ""), "z": ("published", "1.2.3.4")}


def test_a_document_that_breaks_keeps_its_object(walk: Walk) -> None:
    walk.to({"a.yaml": "---\n".join([good("x"), good("y")])})
    assert walk.to({"a.yaml": "---\n".join([good("x"), BROKEN])}) == {
        "x": ("published", "1.2.3.4"),
        "y": ("last-good", "1.2.3.4"),
    }
    assert walk.to({"a.yaml": good("x")}) == {"x": ("published", "1.2.3.4")}


def test_a_removed_document_removes_its_object(walk: Walk) -> None:
    walk.to({"a.yaml": "---\n".join([good("x"), good("y")])})
    assert walk.to({"a.yaml": good("x")}) == {"x": ("published", "1.2.3.4")}


def test_an_object_may_move_to_another_file(walk: Walk) -> None:
    walk.to({"a.yaml": good("x")})
    assert walk.to({"b.yaml": good("x", "1.2.3.5")}) == {"x": ("published", "1.2.3.5")}


def test_a_copy_changes_nothing_and_names_both_places(walk: Walk) -> None:
    walk.to({"m.yaml": good("x")})
    assert walk.to({"a.yaml": good("x", "9.9.9.9"), "m.yaml": good("x")}) == {"x": ("published", "1.2.3.4")}
    (problem,) = walk.ledger.problems
    assert (problem.code, problem.file) == ("duplicate-object", "a.yaml")
    assert "m.yaml:2" in problem.text


def test_an_unreadable_file_keeps_its_objects(walk: Walk) -> None:
    walk.to({"a.yaml": good("x"), "b.yaml": good("y")})
    (walk.folder / "a.yaml").write_bytes(b"\xff\xfe\xff")
    walk.ledger = walk.ledger.read(walk.source.read())
    states = {key.name: entry.state for key, entry in walk.ledger.entries.items()}
    assert states == {"x": State.LAST_GOOD, "y": State.PUBLISHED}
    assert walk.ledger.problems[0].code == "file-unreadable"


def test_an_empty_directory_is_a_beginning_first_and_a_mistake_later(walk: Walk) -> None:
    assert walk.to({}) == {}
    assert walk.ledger.problems[0].code == "directory-empty"
    walk.to({"a.yaml": good("x")})
    assert walk.to({}) == {"x": ("published", "1.2.3.4")}
    assert "stays as it was" in walk.ledger.problems[0].text


def test_files_without_objects_are_an_explicit_nothing(walk: Walk) -> None:
    walk.to({"a.yaml": good("x")})
    assert walk.to({"a.yaml": "# nothing here any more\n"}) == {}


def test_a_directory_that_is_away_keeps_everything(walk: Walk) -> None:
    walk.to({"a.yaml": good("x")})
    walk.folder.rename(walk.folder.parent / "away")
    walk.ledger = walk.ledger.read(walk.source.read())
    assert [entry.state for entry in walk.ledger.entries.values()] == [State.PUBLISHED]
    assert walk.ledger.problems[0].code == "directory-unreadable"


def test_what_is_no_configuration_file_is_not_looked_at(walk: Walk) -> None:
    (walk.folder / "sub").mkdir()
    (walk.folder / "sub" / "b.yml").write_text(good("y"))
    (walk.folder / ".hidden.yaml").write_text(BROKEN)
    (walk.folder / "README.md").write_text("hello")
    (walk.folder / "a.yaml").write_text(good("x"))
    walk.ledger = walk.ledger.read(walk.source.read())
    assert [(key.name, entry.file) for key, entry in walk.ledger.entries.items()] == [
        ("x", "a.yaml"),
        ("y", "sub/b.yml"),
    ]
    assert walk.ledger.problems == ()


texts = st.sampled_from([good("x"), good("x", "1.1.1.1"), bad("x"), BROKEN, good("y"), bad("y"), "", "# none\n"])


@given(st.lists(st.dictionaries(st.sampled_from(["a.yaml", "b.yaml"]), texts), max_size=6))
def test_whatever_happens_what_is_distributed_was_good_once(tmp_path_factory: pytest.TempPathFactory, steps) -> None:
    walk = Walk(tmp_path_factory.mktemp("c"))
    known: set[str] = set()
    for files in steps:
        walk.to(files)
        known |= {item.version for item in walk.ledger.items if item is not None}
        for entry in walk.ledger.entries.values():
            assert (entry.item is None) == (entry.state is State.REFUSED)
            assert entry.item is None or entry.item.version in known


# last-good/


def save(folder: Path, ledger: Ledger) -> Snapshot:
    snapshot = make_snapshot(list(ledger.items))
    LastGood(folder).save(snapshot, dict(ledger.entries))
    return snapshot


def test_the_last_good_is_there_again_after_a_restart(walk: Walk, tmp_path: Path) -> None:
    walk.to({"a.yaml": "---\n".join([good("x"), good("y")])})
    snapshot = save(tmp_path / "last-good", walk.ledger)
    loaded = LastGood(tmp_path / "last-good").load()
    assert make_snapshot(list(loaded.items)).versions == snapshot.versions
    assert {entry.state for entry in loaded.entries.values()} == {State.LAST_GOOD}
    assert {entry.file for entry in loaded.entries.values()} == {"a.yaml"}


def test_a_restart_over_bad_files_publishes_the_last_good(walk: Walk, tmp_path: Path) -> None:
    walk.to({"a.yaml": good("x"), "b.yaml": good("y"), "c.yaml": good("z")})
    save(tmp_path / "last-good", walk.ledger)
    again = Walk(walk.folder)
    again.ledger = LastGood(tmp_path / "last-good").load()
    assert again.to({"a.yaml": bad("x"), "b.yaml": BROKEN}) == {
        "x": ("last-good", "1.2.3.4"),
        "y": ("last-good", "1.2.3.4"),
    }


def test_nothing_kept_is_an_empty_beginning(tmp_path: Path) -> None:
    assert LastGood(tmp_path / "none").load().entries == {}


@pytest.mark.parametrize("damage", [b"", b"rubbish", b"\x0a\xff\xff\xff"])
def test_damaged_files_lose_only_themselves(walk: Walk, tmp_path: Path, damage: bytes) -> None:
    text = (
        good("x")
        + "---\n"
        + good("g").replace("WorkloadEntry", "ServiceEntry").replace("address: 1.2.3.4", "hosts: [a.b]")
    )
    walk.to({"a.yaml": text})
    folder = tmp_path / "last-good"
    save(folder, walk.ledger)
    next(folder.glob("*workloadentries*")).write_bytes(damage)
    (folder / "origins.json").write_bytes(damage)
    assert [key.name for key in LastGood(folder).load().entries] == ["g"]


def test_only_what_changed_is_written(walk: Walk, tmp_path: Path) -> None:
    folder = tmp_path / "last-good"
    keeper = LastGood(folder)
    walk.to({"a.yaml": good("x")})
    keeper.save(make_snapshot(list(walk.ledger.items)), dict(walk.ledger.entries))
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    keeper.save(make_snapshot(list(walk.ledger.items)), dict(walk.ledger.entries))
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == before
    walk.to({"a.yaml": "# none\n"})
    keeper.save(make_snapshot(list(walk.ledger.items)), dict(walk.ledger.entries))
    assert not list(folder.glob("*.mcp"))
    assert oct(folder.stat().st_mode & 0o777) == "0o700"


# the mesh configuration


@pytest.mark.parametrize(
    ("text", "domain"),
    [("trustDomain: td.example\n", "td.example"), ("", "cluster.local"), ("accessLogFile: x\n", "cluster.local")],
)
def test_the_mesh_configuration_over_its_defaults(tmp_path: Path, text: str, domain: str) -> None:
    (tmp_path / "mesh.yaml").write_text(text)
    ledger = Ledger().read(MeshSource(tmp_path / "mesh.yaml", "istio-system").read())
    (item,) = ledger.items
    assert item is not None
    assert (item.spec.trust_domain, item.key.full_name) == (domain, "istio-system/istio")
    assert item.spec.enable_auto_mtls.value is True


@pytest.mark.parametrize("file", [None, "missing.yaml"])
def test_without_a_file_the_defaults_count(tmp_path: Path, file: str | None) -> None:
    source = MeshSource(tmp_path / file if file else None, "istio-system")
    assert len(list(Ledger().read(source.read()).items)) == 1


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("trustDomain: [\n", "mesh-unreadable", 2),
        ("[1]\n", "mesh-unreadable", 1),
        ("a: 1\n---\nb: 2\n", "mesh-unreadable", 2),
    ],
)
def test_a_broken_mesh_configuration_keeps_the_last_good(tmp_path: Path, text: str, code: str, line: int) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text("trustDomain: td.example\n")
    source = MeshSource(file, "istio-system")
    ledger = Ledger().read(source.read())
    file.write_text(text)
    after = ledger.read(source.read())
    assert [item.version for item in after.items] == [item.version for item in ledger.items]
    (problem,) = after.problems
    assert problem.code == code
    assert abs(problem.line - line) <= 1


def test_a_wrong_mesh_configuration_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "mesh.yaml").write_text("accessLogFile: /dev/stdout\ntrustDomain: NO GOOD\n")
    reading = MeshSource(tmp_path / "mesh.yaml", "istio-system").read()
    ((_, verdict),) = reading.objects
    assert [(p.field, p.line) for p in verdict.problems] == [("spec.trustDomain", 2)]


def test_a_snapshot_shares_what_did_not_change(walk: Walk) -> None:
    walk.to({"a.yaml": good("x")})
    first = make_snapshot(list(walk.ledger.items))
    walk.to({"a.yaml": good("x"), "b.yaml": good("y")})
    second = make_snapshot(list(walk.ledger.items), first)
    changed = [name for name, each in second.collections.items() if each is not first.collections[name]]
    assert changed == ["istio/networking/v1alpha3/workloadentries"]
    assert Reading() == Reading()
