"""Rules and instances in the language that they ask for, and the default."""

from __future__ import annotations

from typing import Any

import pytest

from flotilla_mixer.config import MixerSettings
from flotilla_mixer.configuration.options import Options
from flotilla_mixer.dispatch.check import CheckDispatcher, Question
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.expressions.languages import Language
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.offline.evaluate import evaluate
from flotilla_mixer.sources.swap import Swap
from flotilla_mixer.testing.meshes import configured, deny, problems
from flotilla_shared.model.expressions import VOCABULARY
from flotilla_shared.runtime.metrics import ServiceMetrics

CEL_ONLY = "request.headers['x-user'] in ['eve', 'mallory'] ? true : false"
LIST = """\
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: list, namespace: default}
spec: {compiledAdapter: listchecker, params: {overrides: [web], blacklist: true}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: who, namespace: default, annotations: {policy.istio.io/lang: INSTANCE}}
spec: {compiledTemplate: listentry, params: {value: "VALUE"}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: list, namespace: default}
spec: {actions: [{handler: list, instances: [who]}]}
"""
HEADERS = """\
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: headers, namespace: default, annotations: {policy.istio.io/lang: CEL}}
spec: {requestHeaderOperations: [{name: x-who, values: ["has(source.name) ? source.name : 'nobody'"]}]}
"""


def in_language(text: str, language: str) -> str:
    """The rule, in this language."""
    return text.replace(
        "metadata: {name: deny,", f"metadata: {{name: deny, annotations: {{policy.istio.io/lang: {language}}},"
    )


def answer(text: str, bag: dict[str, object], options: Options | None = None) -> Any:
    configuration = configured(text, options=options)
    assert problems(configuration) == []
    answers: list[Any] = []
    failures = Failures(MixerMetrics(ServiceMetrics("mixer")))
    question = Question(lambda _: "default", bag, answers.append)
    CheckDispatcher(failures).dispatch(Swap("istio-system").put(configuration), [question])
    return answers[0]


@pytest.mark.parametrize(("user", "code"), [("eve", 7), ("bob", 0)])
def test_a_rule_in_cel(user: str, code: int) -> None:
    text = in_language(deny(CEL_ONLY), "CEL")
    assert answer(text, {"request.headers": {"x-user": user}}).code == code


def test_one_text_means_what_each_rule_says_it_does() -> None:
    """In CEXL an absent attribute fails, and the rule does not hold; with CEL's meaning it is empty, and the rule holds."""
    text = deny('source.name == ""')
    both = f"{text}---\n{in_language(text, 'COMPAT').replace('name: deny,', 'name: other,').partition('---')[2].partition('---')[2]}"
    assert answer(text, {}).code == 0
    assert answer(in_language(text, "COMPAT"), {}).code == 7
    assert answer(both, {}).code == 7


@pytest.mark.parametrize(
    ("language", "value", "said"),
    [
        ("CEL", "has(source.name) ? source.name : 'nobody'", "web is blacklisted"),
        ("COMPAT", "destination.name | source.name", "web is blacklisted"),
        ("CEXL", "destination.name | source.name", "web is blacklisted"),
    ],
)
def test_an_instance_in_each_language(language: str, value: str, said: str) -> None:
    text = LIST.replace("INSTANCE", language).replace("VALUE", value)
    assert said in answer(text, {"source.name": "web"}).message


@pytest.mark.parametrize(("bag", "value"), [({"source.name": "web"}, "web"), ({}, "nobody")])
def test_header_operations_in_cel(bag: dict[str, object], value: str) -> None:
    (operation,) = answer(HEADERS, bag).directive.request
    assert (operation.name, operation.value) == ("x-who", value)


def test_the_setting_is_the_language_of_who_does_not_say() -> None:
    assert MixerSettings().language is Language.CEXL
    assert MixerSettings(language="COMPAT").language is Language.COMPAT
    text = deny('source.name == ""')
    assert answer(text, {}, Options(Language.COMPAT)).code == 7
    assert answer(in_language(text, "CEXL"), {}, Options(Language.COMPAT)).code == 0


WRONG = [
    ("CLE", "true", ("rule", "deny", "metadata.annotations[policy.istio.io/lang]", "unknown-language")),
    ("CEL", "source.name | 'a' == 'b'", ("rule", "deny", "spec.match", "bad-match")),
    ("CEL", "source.name", ("rule", "deny", "spec.match", "bad-match")),
    ("CEL", "[true]", ("rule", "deny", "spec.match", "bad-match")),
]


@pytest.mark.parametrize(("language", "match", "told"), WRONG)
def test_what_is_wrong_is_told(language: str, match: str, told: tuple[str, ...]) -> None:
    configuration = configured(in_language(deny(match), language))
    assert problems(configuration) == [told]
    assert configuration.actions == ()


def test_an_instance_in_no_language_is_left_out() -> None:
    configuration = configured(LIST.replace("INSTANCE", "cel").replace("VALUE", "source.name"))
    assert problems(configuration)[0] == (
        "instance",
        "who",
        "metadata.annotations[policy.istio.io/lang]",
        "unknown-language",
    )
    assert configuration.actions == ()


def test_by_hand_an_expression_is_evaluated_in_each_language() -> None:
    assert evaluate("size(source.name)", {}, VOCABULARY)["error"] == "lookup failed: 'source.name'"
    found = evaluate("size(source.name)", {}, VOCABULARY, Language.CEL)
    assert found["result"] == {"type": "INT64", "value": 0}
    assert found["referenced"] == [{"name": "source.name", "condition": "ABSENCE"}]
