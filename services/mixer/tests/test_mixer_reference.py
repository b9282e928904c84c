"""The reference pages say what is so: every template with its fields, every attribute, every adapter."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_mixer.templates.catalogue import TEMPLATES
from flotilla_shared.model.expressions import VOCABULARY

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
ROW = re.compile(r"^\| `([^`]+)` \| (\S+) \|$", re.M)


def sections(name: str) -> dict[str, str]:
    """Heading -> text below it."""
    parts = re.split(r"^## (\S+)$", (REFERENCE / name).read_text(), flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_every_template_has_its_section() -> None:
    assert sections("mixer-templates.md").keys() == TEMPLATES.keys()


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_a_template_is_described_as_it_is(name: str) -> None:
    template, text = TEMPLATES[name], sections("mixer-templates.md")[name]
    fields = {field: kind.value if kind else "any" for field, kind in template.fields.items()}
    outputs = {f"$out.{field}": kind.value for field, kind in template.outputs.items()}
    assert dict(ROW.findall(text)) == fields | dict.fromkeys(template.maps, "map") | outputs
    users = {adapter for adapter, found in load_adapters().items() if name in found.templates}
    (said,) = re.findall(r"Adapters: (.*)\.$", text, re.M)
    assert set(re.findall(r"`([^`]+)`", said)) == users
    assert f"Kind: {template.variety}." in text


def test_every_attribute_is_named_with_its_type() -> None:
    found = dict(ROW.findall((REFERENCE / "mixer-attributes.md").read_text()))
    assert found == {name: kind.value for name, kind in VOCABULARY.items()}


def test_every_adapter_is_named() -> None:
    text = (REFERENCE / "mixer-adapters.md").read_text()
    assert set(re.findall(r"^\| \[([^\]]+)\]", text, re.M)) == load_adapters().keys()
