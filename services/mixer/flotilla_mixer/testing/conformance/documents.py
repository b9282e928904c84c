"""An adapter's folder says what it is: metadata.yaml and README.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml
from google.protobuf import json_format

from flotilla_mixer.kit.adapter import Adapter
from flotilla_mixer.templates.catalogue import TEMPLATES
from flotilla_mixer.testing.conformance.case import AdapterCase
from flotilla_mixer.testing.meshes import configured, problems
from flotilla_shared.model.expressions import parse_duration

TABLE_ROW = re.compile(r"^\| `([^`]+)` \| ([^|]*) \| ([^|]+) \|$", re.M)
YAML_BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.M | re.S)
METADATA = {"name", "title", "description", "templates", "backend", "params"}


def metadata_of(adapter: Adapter) -> dict[str, Any]:
    found = yaml.safe_load((adapter.folder / "metadata.yaml").read_text())
    assert isinstance(found, dict), "metadata.yaml is a mapping"
    return found


def readme_of(adapter: Adapter) -> str:
    return (adapter.folder / "README.md").read_text()


class Documents:
    """Part of the suite."""

    def test_its_metadata_is_complete_and_true(self, case: AdapterCase) -> None:
        adapter = case.adapter()
        metadata = metadata_of(adapter)
        assert set(metadata) == METADATA, f"metadata.yaml has {sorted(METADATA)}"
        assert metadata["name"] == adapter.name
        assert metadata["templates"] == sorted(adapter.templates)
        assert adapter.templates <= set(TEMPLATES)
        assert metadata["params"] == adapter.defaults().DESCRIPTOR.full_name
        assert metadata["description"].endswith("."), "a sentence"

    def test_its_page_has_every_parameter_and_no_other(self, case: AdapterCase) -> None:
        adapter = case.adapter()
        page = readme_of(adapter)
        assert page.startswith(f"# {adapter.name}\n")
        rows = {name.partition(".")[0].partition("[")[0] for name, _, _ in TABLE_ROW.findall(page)}
        fields = {field.json_name for field in adapter.defaults().DESCRIPTOR.fields}
        assert rows == fields, "the table of README.md has a row for each parameter"
        for name in _inner_names(adapter.defaults().DESCRIPTOR):
            assert re.search(rf"[`.]{name}\b", page), f"README.md does not speak of {name}"

    def test_its_page_has_the_true_defaults(self, case: AdapterCase) -> None:
        adapter = case.adapter()
        written = {name: default.replace("`", "") for name, default, _ in TABLE_ROW.findall(readme_of(adapter))}
        for path, value in _defaults(adapter.defaults()):
            if path in written:
                shown = written[path].split(" ")[0]
                same = shown == value or parse_duration(shown) == parse_duration(value) is not None
                assert same, f"{path} is {value} where nothing is given, and README.md says {shown}"

    def test_the_example_of_its_page_works(self, case: AdapterCase) -> None:
        adapter = case.adapter()
        blocks = YAML_BLOCK.findall(readme_of(adapter))
        configuration = configured(*blocks, adapters={adapter.name: adapter})
        assert problems(configuration) == []
        used = {handler.adapter.name for handler in configuration.handlers.values()}
        assert used == {adapter.name}, "the first example has a handler, an instance and a rule that joins them"


def _inner_names(descriptor: Any, seen: tuple[Any, ...] = ()) -> Iterator[str]:
    """Names of the fields of its own messages, at every depth."""
    for field in descriptor.fields:
        inner = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            inner = inner.fields_by_name["value"].message_type
        if inner is None or inner in seen or inner.file.package != descriptor.file.package:
            continue
        yield from (each.json_name for each in inner.fields)
        yield from _inner_names(inner, (*seen, inner))


def _defaults(message: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """What is set where nothing is given: path and value as the page writes it."""
    for field, value in message.ListFields():
        name = f"{path}{field.json_name}"
        if field.message_type is None:
            if not field.is_repeated:
                yield name, _shown(field, value)
        elif field.message_type.full_name == "google.protobuf.Duration":
            yield name, json_format.MessageToJson(value).strip('"')
        elif not field.is_repeated:
            yield from _defaults(value, f"{name}.")


def _shown(field: Any, value: Any) -> str:
    if field.enum_type is not None:
        return str(field.enum_type.values_by_number[value].name)
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
