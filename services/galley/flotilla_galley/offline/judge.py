"""Each document of a text, judged by itself: what `flotilla validate` shows.

Nothing that lies between documents counts here: neither that an object is there twice, nor that a name leads nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from flotilla_galley.sources.documents import SourceObject, kind_by_name, kind_by_version, objects_of
from flotilla_galley.sources.yaml_documents import YamlDocument, YamlError, read_documents
from flotilla_galley.validation.validate import RuleSet, validate_object
from flotilla_shared.model.kinds import WRITTEN
from flotilla_shared.model.objects import Problem

LIST = "List"
_KINDS = frozenset(kind.kind for kind in WRITTEN)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong. `line` and `column` are 1-based; `hint` says what would be right, where that is known."""

    code: str
    field: str
    file: str
    line: int
    column: int
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """One document. `name` and `namespace` are as written, "" where they are not. A `kind: List` is one document."""

    index: int
    kind: str
    name: str
    namespace: str
    errors: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()

    @property
    def valid(self) -> bool:
        return not self.errors

    def as_dict(self) -> dict[str, Any]:
        """Plain data, in the order of fields that is promised."""
        head = {name: getattr(self, name) for name in ("index", "kind", "name", "namespace", "valid")}
        return head | {name: [asdict(each) for each in getattr(self, name)] for name in ("errors", "warnings")}


def judge(file: str, text: str, ruleset: RuleSet | None = None, first: int = 0) -> Iterator[Judgement]:
    """The documents of a text in order, numbered from `first`; empty ones are no documents. Never raises.

    Without a rule set today's decides, and 1.4's for kinds that only 1.4 has.
    """
    for index, document in enumerate(read_documents(text, columns=True), first):
        if isinstance(document, YamlError):
            message = f"this document is not YAML: {document.text}"
            broken = Finding("broken-yaml", "", file, document.line, document.column, message, "")
            yield Judgement(index, "", "", "", (broken,))
        else:
            yield _document(index, file, document, ruleset)


def _document(index: int, file: str, document: YamlDocument, ruleset: RuleSet | None) -> Judgement:
    find_kind, aside = (kind_by_name, of_no_kind) if ruleset == "1.4" else (kind_by_version, of_kubernetes)
    objects, wrong = objects_of(file, document, find_kind, lambda value, _: aside(value))
    errors = [finding(each, document) for each in wrong]
    warnings: list[Finding] = []
    for source in objects:
        for problem in validate_object(source, ruleset).problems:
            found = errors if problem.severity == "error" else warnings
            found.append(finding(problem, document, source))
    kind, name, namespace = _names(document.value)
    return Judgement(index, kind, name, namespace, tuple(errors), tuple(warnings))


def of_kubernetes(value: Any) -> bool:
    """Whether an object is of Kubernetes or of another project, and so not ours to judge: samples hold those as well.

    A kind of ours in a group that nobody has is a mistake, and no other project's.
    """
    if not isinstance(value, dict) or not isinstance(value.get("apiVersion"), str):
        return False
    group = value["apiVersion"].rpartition("/")[0]
    return group.endswith(".k8s.io") or of_no_kind(value)


def of_no_kind(value: Any) -> bool:
    """The same where apiVersion does not count: a kind that nobody here knows, in a group that is not Istio's."""
    if not isinstance(value, dict) or not all(isinstance(value.get(each), str) for each in ("apiVersion", "kind")):
        return False
    return not value["apiVersion"].partition("/")[0].endswith("istio.io") and value["kind"] not in _KINDS


def finding(problem: Problem, document: YamlDocument, source: SourceObject | None = None) -> Finding:
    """A problem of a document, or of one of its objects, with its place; what follows the semicolon is the hint."""
    path = problem.field if source is None else f"{source.prefix}{problem.field}"
    message, _, hint = problem.text.partition("; ")
    line, column = document.line_of(path), document.column_of(path)
    return Finding(problem.code, path, problem.file, line, column, message, hint)


def _names(value: Any) -> tuple[str, str, str]:
    """Kind, name and namespace as far as they are there and are text."""
    if not isinstance(value, dict):
        return "", "", ""
    metadata = value.get("metadata")
    inner = metadata if isinstance(metadata, dict) else {}
    found = (value.get("kind"), inner.get("name"), inner.get("namespace"))
    kind, name, namespace = (each if isinstance(each, str) else "" for each in found)
    return kind, name, namespace
