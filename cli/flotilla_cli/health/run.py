"""All sections, one after another; a check that cannot be done never keeps others from being done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from flotilla_cli.health import api, before, deployments, injection, kinds, leaders, trust, webhooks
from flotilla_cli.health.cluster import Cluster
from flotilla_cli.health.finding import Check, Finding, Level, Section, problem
from flotilla_shared.runtime.kube.errors import Forbidden, KubeError

INSTALLED: Sequence[Section] = (
    api.SECTION,
    kinds.SECTION,
    deployments.SECTION,
    webhooks.SECTION,
    trust.SECTION,
    injection.SECTION,
    leaders.SECTION,
)
BEFORE: Sequence[Section] = (api.SECTION, before.SECTION)


async def run(cluster: Cluster, sections: Sequence[Section]) -> AsyncIterator[tuple[Section, list[Finding]]]:
    """Each section with its findings, as soon as they are there. Ends after a fatal problem."""
    for section in sections:
        findings: list[Finding] = []
        for check in section.checks:
            found = await _look(cluster, check)
            findings += found
            if check.fatal and any(each.level is Level.PROBLEM for each in found):
                yield section, findings
                return
        yield section, findings


async def _look(cluster: Cluster, check: Check) -> list[Finding]:
    try:
        return await check.look(cluster)
    except Forbidden as error:
        text = f"Of {check.about} nothing can be said: {error}."
        return [Finding(Level.SKIPPED, text, "Check as a user who may look at it.")]
    except KubeError as error:
        return [problem(f"Of {check.about} nothing can be said: {error}.", "Try again.")]
