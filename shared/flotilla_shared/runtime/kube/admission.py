"""AdmissionReview, v1 and v1beta1: what the API server asks a webhook, and what it is answered. Pure.

Istio's rules: no body is 400, a Content-Type other than application/json 415; what cannot be decoded is answered with 200
and `allowed: false`, since the API server shows the message of such an answer to who made the change.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

# The API server takes requests of 3 MB; a review may hold the object twice, before and after.
BODY_BYTES = 8 * 1024 * 1024
DEPTH = 100
VERSIONS = ("admission.k8s.io/v1", "admission.k8s.io/v1beta1")


class GroupVersionKind(msgspec.Struct, frozen=True):
    group: str = ""
    version: str = ""
    kind: str = ""


class GroupVersionResource(msgspec.Struct, frozen=True):
    group: str = ""
    version: str = ""
    resource: str = ""


class UserInfo(msgspec.Struct, frozen=True):
    username: str = ""
    groups: tuple[str, ...] = ()


class AdmissionRequest(msgspec.Struct, frozen=True, rename="camel"):
    """What is to be decided. `object` is None for DELETE, `old_object` for CREATE; `name` may be empty for CREATE."""

    uid: str
    kind: GroupVersionKind = GroupVersionKind()
    resource: GroupVersionResource = GroupVersionResource()
    sub_resource: str = ""
    name: str = ""
    namespace: str = ""
    operation: str = ""
    user_info: UserInfo = UserInfo()
    object: dict[str, Any] | None = None
    old_object: dict[str, Any] | None = None
    dry_run: bool | None = None


@dataclass(frozen=True, slots=True)
class AdmissionAnswer:
    """`message` says why not, in one sentence; `patch` is a JSON patch (mutating webhooks); `warnings` are shown to the user."""

    allowed: bool
    message: str = ""
    warnings: tuple[str, ...] = ()
    patch: list[dict[str, Any]] | None = None
    code: int = 0


Decide = Callable[[AdmissionRequest, str], AdmissionAnswer]


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer; `error` says why there was no decision, for metrics and logs, `seconds` how long it took."""

    status: int
    body: bytes
    content_type: str = "application/json"
    error: str = ""
    request: AdmissionRequest | None = field(default=None, repr=False)
    seconds: float = 0.0


class _Review(msgspec.Struct, rename="camel"):
    api_version: str = VERSIONS[0]
    kind: str = "AdmissionReview"
    request: AdmissionRequest | None = None


_decode = msgspec.json.Decoder(_Review).decode
# The API server cuts warnings at these lengths, with a warning of its own.
WARNING_CHARACTERS, WARNINGS_CHARACTERS = 256, 4096


def refuse_head(content_type: str) -> Reply | None:
    """The answer to a request whose head says that its body is not worth reading."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        return Reply(415, b"invalid Content-Type, want `application/json`", "text/plain", "content type")
    return None


def too_large() -> Reply:
    return Reply(413, f"the review is longer than {BODY_BYTES} bytes".encode(), "text/plain", "too large")


def review(body: bytes, path: str, decide: Decide) -> Reply:
    """The answer to a review; `path` is the URL's, which `decide` gets, too. Raises what `decide` raises."""
    if not body:
        return Reply(400, b"no body found", "text/plain", "no body")
    try:
        found = _decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        text = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        return _undecided(VERSIONS[0], "", f"could not decode the review: {text}", "undecodable")
    request = found.request
    if found.kind != "AdmissionReview" or found.api_version not in VERSIONS:
        kind = f"{found.api_version} {found.kind}"
        text = f"this is {kind}, not an AdmissionReview of {' or '.join(VERSIONS)}"
        return _undecided(VERSIONS[0], request.uid if request else "", text, "unknown version")
    if request is None:
        return _undecided(found.api_version, "", "the review holds no request", "no request")
    if _deeper_than(request.object, DEPTH) or _deeper_than(request.old_object, DEPTH):
        text = f"the object is nested more than {DEPTH} levels deep"
        return _undecided(found.api_version, request.uid, text, "too deep")
    answer = decide(request, path)
    return Reply(200, _encode(found.api_version, request.uid, answer), request=request)


def _undecided(api_version: str, uid: str, message: str, error: str) -> Reply:
    answer = AdmissionAnswer(False, message, code=400)
    return Reply(200, _encode(api_version, uid, answer), error=error)


def _encode(api_version: str, uid: str, answer: AdmissionAnswer) -> bytes:
    response: dict[str, Any] = {"uid": uid, "allowed": answer.allowed}
    if answer.message or answer.code:
        status = {"message": answer.message} | ({"code": answer.code} if answer.code else {})
        response["status"] = status
    if answer.warnings:
        response["warnings"] = _short(answer.warnings)
    if answer.patch is not None:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(msgspec.json.encode(answer.patch)).decode()
    return msgspec.json.encode({"apiVersion": api_version, "kind": "AdmissionReview", "response": response})


def _short(warnings: tuple[str, ...]) -> list[str]:
    shown: list[str] = []
    left = WARNINGS_CHARACTERS
    for number, text in enumerate(warnings):
        line = text if len(text) <= WARNING_CHARACTERS else f"{text[: WARNING_CHARACTERS - 3]}..."
        if len(line) > left:
            return [*shown, f"and {len(warnings) - number} more"]
        shown.append(line)
        left -= len(line)
    return shown


def _deeper_than(content: dict[str, Any] | None, depth: int) -> bool:
    level: list[Any] = [content] if content is not None else []
    for _ in range(depth):
        level = [inner for each in level for inner in _inside(each) if isinstance(inner, dict | list)]
    return bool(level)


def _inside(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container
