"""The pages of Mixer's adapters, templates and attributes: all there, each with its words, and what they show works."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from flotilla_mixer.offline.evaluate import evaluate
from flotilla_mixer.templates.catalogue import TEMPLATES
from flotilla_mixer.testing.meshes import configured, problems
from flotilla_shared.model.expressions import VOCABULARY
from helm.generate.mixer.adapters import own_adapters
from helm.generate.mixer.attributes import PLACES, attribute_pages
from helm.generate.mixer.meanings import meanings
from helm.generate.mixer.pages import mixer_pages
from helm.generate.mixer.samples import known
from helm.generate.mixer.templates import sample_of, template_pages

ROOT = Path(__file__).parents[2]


def test_there_is_a_page_for_each_and_no_other() -> None:
    wanted = {
        "adapters": set(own_adapters()),
        "templates": set(TEMPLATES),
        "attributes": set(VOCABULARY),
    }
    folder = ROOT / "docs" / "reference" / "mixer"
    for part, names in wanted.items():
        found = {file.name.removesuffix(".md") for file in (folder / part).iterdir()}
        assert found == names | {"README"}, "`make docs` writes them; what is too much is to be removed"
    assert {path.name for path in folder.iterdir()} == set(wanted)


def test_pages_are_as_the_code_makes_them() -> None:
    stale = [path for path, text in mixer_pages().items() if (ROOT / path).read_text() != text]
    assert stale == [], "run `make docs` and commit"


def test_each_attribute_has_its_words_and_no_other() -> None:
    assert set(meanings("attributes")) == set(VOCABULARY)


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_each_field_of_a_template_has_its_words_and_no_other(name: str) -> None:
    template = TEMPLATES[name]
    assert set(meanings("templates")[name]["fields"]) == {*template.fields, *template.maps}


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_the_instance_of_a_templates_page_works(name: str) -> None:
    sample = sample_of(TEMPLATES[name], meanings("templates")[name]["params"])
    configuration = configured(yaml.safe_dump(sample))
    assert problems(configuration) == []
    assert [spec.template.name for spec in configuration.instances] == [name]


@pytest.mark.parametrize("name", sorted(name for name, kind in VOCABULARY.items() if kind != "STRING_MAP"))
def test_the_value_that_an_attributes_page_shows_is_of_its_type(name: str) -> None:
    found = evaluate(meanings("attributes")[name]["example"], {}, VOCABULARY)
    assert found.get("type") == VOCABULARY[name], found
    assert "result" in found, found


def test_what_envoy_brings_is_all_described() -> None:
    unknown = set(known()) - set(VOCABULARY)
    assert unknown == {"source.port"}, "what is no attribute of the vocabulary cannot be asked for"
    assert {place for places in known().values() for place in places} == set(PLACES)


CALLS = set(PLACES) - {"rate limit"}  # whose filter says a domain and descriptors, and nothing of the call
ORIGINS = [
    ("source.principal", CALLS),
    ("ratelimit.descriptor", {"rate limit"}),
    ("request.path", {"HTTP Check", "HTTP report"}),
    ("response.code", {"HTTP report"}),
    ("response.grpc_message", {"HTTP report"}),
    ("connection.event", {"TCP report"}),
    ("connection.duration", {"TCP report"}),
    ("check.error_code", {"HTTP report", "TCP report"}),
    ("destination.container.name", CALLS),
    ("destination.service.name", set(PLACES)),
    ("origin.ip", {"HTTP report", "TCP report"}),
]


@pytest.mark.parametrize(("name", "places"), ORIGINS)
def test_where_attributes_are_known(name: str, places: set[str]) -> None:
    assert known()[name] == places


def test_links_lead_to_pages_that_are_made() -> None:
    assert len(attribute_pages()) == len(VOCABULARY) + 1
    assert "(../adapters/prometheus.md)" in template_pages()[Path("docs/reference/mixer/templates/metric.md")]
