"""What a publication costs and tells: metrics under 1.4's names, and a large collection on disk."""

from __future__ import annotations

from pathlib import Path

from flotilla_galley.snapshot.last_good import LARGE, PARTS, LastGood
from flotilla_galley.snapshot.ledger import Entry, State
from flotilla_galley.snapshot.metrics import RuntimeMetrics
from flotilla_galley.snapshot.snapshot import Snapshot, change_snapshot
from flotilla_galley.testing.wire import snapshot, workload
from flotilla_shared.model.kinds import WORKLOAD_ENTRIES
from flotilla_shared.model.objects import ConfigObject
from flotilla_shared.runtime.metrics import ServiceMetrics


def test_metrics_of_publication() -> None:
    now = [0.0]
    metrics = ServiceMetrics("galley")
    told = RuntimeMetrics(metrics, lambda: now[0])
    first = snapshot(workload("a"), workload("b"))
    told.published(first, None)
    for at in (1.0, 1.01):
        now[0] = at
        told.event()
    told.waited(1, quiet=True)
    told.waited(3, quiet=False)
    told.read()
    now[0] = 2.0
    told.published(snapshot(workload("a"), before=first), first)
    text = metrics.render().decode()
    for line in (
        "galley_runtime_strategy_on_change_total 2.0",
        "galley_runtime_strategy_timer_quiesce_reached_total 1.0",
        "galley_runtime_strategy_timer_max_time_reached_total 1.0",
        "galley_runtime_strategy_timer_resets_total 4.0",
        "galley_runtime_processor_events_processed_total 2.0",
        "galley_runtime_processor_snapshots_published_total 2.0",
        'galley_runtime_processor_event_span_duration_milliseconds_bucket{le="20.0"} 1.0',
        "galley_runtime_processor_snapshot_events_total_sum 2.0",
        "galley_runtime_processor_snapshot_lifetime_duration_milliseconds_sum 2000.0",
        f'galley_runtime_state_type_instances_total{{collection="{WORKLOAD_ENTRIES}"}} 1.0',
    ):
        assert line in text


def entries_of(found: Snapshot) -> dict[object, Entry]:
    items = found.collections[WORKLOAD_ENTRIES].items
    return {key: Entry(key, State.PUBLISHED, f"{key.name}.yaml", 3, item) for key, item in items.items()}


def kept(folder: Path) -> dict[str, tuple[str, str, int]]:
    found = LastGood(folder).load().entries
    return {key.name: (each.item.version, each.file, each.line) for key, each in found.items() if each.item is not None}


def expected(found: Snapshot) -> dict[str, tuple[str, str, int]]:
    items = found.collections[WORKLOAD_ENTRIES].items
    return {key.name: (item.version, f"{key.name}.yaml", 3) for key, item in items.items()}


def changed(before: Snapshot, *items: ConfigObject, without: tuple[ConfigObject, ...] = ()) -> Snapshot:
    return change_snapshot(before, {item.key: item for item in items} | {item.key: None for item in without})


def test_a_large_collection_is_many_files_of_which_a_change_writes_one(tmp_path: Path) -> None:
    folder = tmp_path / "last-good"
    keeper = LastGood(folder)
    found = snapshot(*(workload(f"w{number:04}") for number in range(LARGE + 1)))
    keeper.save(found, entries_of(found))  # type: ignore[arg-type]
    assert kept(folder) == expected(found)
    assert len(list(folder.glob("*.mcp"))) > PARTS // 2
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    other = workload("w0007", "1.1.1.1")
    found = changed(found, other)
    keeper.save(found, entries_of(found), {other.key})  # type: ignore[arg-type]
    after = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    assert len([name for name in after if before[name] != after[name]]) == 1
    assert kept(folder) == expected(found)


def test_a_collection_that_shrinks_is_one_file_again(tmp_path: Path) -> None:
    folder = tmp_path / "last-good"
    keeper = LastGood(folder)
    found = snapshot(*(workload(f"w{number:04}") for number in range(LARGE + 1)))
    keeper.save(found, entries_of(found))  # type: ignore[arg-type]
    gone = tuple(workload(f"w{number:04}") for number in range(LARGE))
    found = changed(found, without=gone)
    keeper.save(found, entries_of(found), {item.key for item in gone})  # type: ignore[arg-type]
    assert [file.name for file in folder.iterdir()] == ["istio-networking-v1alpha3-workloadentries.mcp"]
    assert kept(folder) == expected(found)
