"""What a Policy or MeshPolicy of 1.4 asks for and does not get."""

from collections.abc import Iterable, Iterator

from flotilla_protos.istio.authentication.v1alpha1.policy_pb2 import Policy
from flotilla_shared.model.objects import ConfigObject
from flotilla_shared.model.problems import ProblemLog

_TOKENS = "callers' tokens are not looked at: of this object only its mutual TLS counts"
_OPTIONAL = "mutual TLS that is asked for is not optional; use mode PERMISSIVE for callers that have none"


def check_policies(items: Iterable[ConfigObject], log: ProblemLog) -> None:
    for item in items:
        for path, text in _unmet(item.spec):
            log.error(item.key, "not-offered", path, text)


def _unmet(spec: Policy) -> Iterator[tuple[str, str]]:
    if spec.origins:
        yield "spec.origins", _TOKENS
    for index, peer in enumerate(spec.peers):
        if peer.WhichOneof("params") == "jwt":
            yield f"spec.peers[{index}].jwt", _TOKENS
    if spec.peer_is_optional and spec.peers:
        yield "spec.peerIsOptional", _OPTIONAL
