"""A client of the native API that encodes as `mixc` does: it knows no global words, and names everything itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from flotilla_mixer.attributes.dictionary import Dictionary, global_dictionary
from flotilla_mixer.attributes.encode import encode
from flotilla_protos.istio.mixer.v1.mixer_pb2 import CheckRequest, CheckResponse, ReportRequest, ReportResponse

CHECK = "/istio.mixer.v1.Mixer/Check"
REPORT = "/istio.mixer.v1.Mixer/Report"
Match = tuple[str, str, str]
Bag = Mapping[str, object]


@dataclass(frozen=True)
class NativeClient:
    """`words` is how many of the global words it knows: `mixc` 0, a proxy 222."""

    words: int = 0

    def check_request(
        self, bag: Bag, quotas: Mapping[str, tuple[int, bool]] | None = None, identifier: str = ""
    ) -> CheckRequest:
        request = CheckRequest(
            attributes=encode(bag, global_dictionary(), self.words),
            global_word_count=self.words,
            deduplication_id=identifier,
        )
        for name, (amount, best_effort) in (quotas or {}).items():
            request.quotas[name].amount, request.quotas[name].best_effort = amount, best_effort
        return request

    def report_request(self, bags: Sequence[Bag], *, delta: bool = False) -> ReportRequest:
        """Every bag by itself, or (`delta`) each but the first as what differs from the one before."""
        request = ReportRequest(global_word_count=self.words)
        if not delta:
            request.repeated_attributes_semantics = ReportRequest.INDEPENDENT_ENCODING
        before: Bag = {}
        for bag in bags:
            sent = {name: value for name, value in bag.items() if before.get(name) != value} if delta else bag
            request.attributes.append(encode(sent, global_dictionary(), self.words))
            before = bag
        return request

    async def check(self, channel: grpc.aio.Channel, request: CheckRequest) -> CheckResponse:
        call = channel.unary_unary(
            CHECK, request_serializer=CheckRequest.SerializeToString, response_deserializer=CheckResponse.FromString
        )
        response: CheckResponse = await call(request, timeout=10)
        return response

    async def report(self, channel: grpc.aio.Channel, request: ReportRequest) -> ReportResponse:
        call = channel.unary_unary(
            REPORT, request_serializer=ReportRequest.SerializeToString, response_deserializer=ReportResponse.FromString
        )
        response: ReportResponse = await call(request, timeout=10)
        return response

    def matches(self, referenced: Any, known: Dictionary | None = None) -> set[Match]:
        """(name, key, condition) of what an answer rests on. Raises IndexError for a number this client cannot know."""
        words = (known or global_dictionary()).words[: self.words]

        def word(number: int) -> str:
            return words[number] if number >= 0 else str(referenced.words[-number - 1])

        return {
            (word(each.name), word(each.map_key) if each.map_key else "", _name(each))
            for each in referenced.attribute_matches
        }


def _name(match: Any) -> str:
    return {1: "ABSENCE", 2: "EXACT", 3: "REGEX"}[match.condition]
