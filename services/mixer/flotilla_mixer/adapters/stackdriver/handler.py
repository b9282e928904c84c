"""A configured stackdriver adapter: rows go to the part of it that knows their template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from flotilla_mixer.adapters.stackdriver.link import Link
from flotilla_mixer.kit.adapter import ReportBatch


class Reporter(Protocol):
    """What reports rows of one template."""

    def report(self, batches: Sequence[ReportBatch], wrong: list[str]) -> None:
        """What is wrong with rows goes to `wrong`; they are counted already. The others are taken."""
        ...


class StackdriverHandler:
    """`reporters` are by the names of templates: of those that rules use."""

    def __init__(self, reporters: Mapping[str, Reporter], links: Sequence[Link]) -> None:
        self._reporters = reporters
        self._links = links

    def report(self, batches: Sequence[ReportBatch]) -> None:
        """Raises ValueError with what is wrong with rows that do not fit; the others are sent."""
        wrong: list[str] = []
        by_template: dict[str, list[ReportBatch]] = {}
        for batch in batches:
            by_template.setdefault(batch.instance.template.name, []).append(batch)
        for name, found in by_template.items():
            if name in self._reporters:
                self._reporters[name].report(found, wrong)
        if wrong:
            raise ValueError("; ".join(dict.fromkeys(wrong)))

    async def close(self) -> None:
        for link in self._links:
            await link.close()
