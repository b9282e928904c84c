"""`flotilla analyze`: what is wrong between objects, in files, in a cluster, or in both together."""

from __future__ import annotations

import asyncio
import os
import sys
from argparse import Namespace
from dataclasses import dataclass

from flotilla_cli.analysis.cluster import ClusterReader
from flotilla_cli.analysis.files import UnreadableFile, read_texts, text_of
from flotilla_cli.analysis.mixer import analyzers_of, known_analyzers
from flotilla_cli.analysis.scope import Scope, at_least
from flotilla_cli.analysis.show import SHOWS, Page
from flotilla_cli.commands.check import connection
from flotilla_cli.errors import CheckError, FlotillaError
from flotilla_galley.analysis.analyzer import Analyzer
from flotilla_galley.analysis.ingress_defaults import with_ingress_gateway
from flotilla_galley.analysis.kinds import MESH_NETWORKS, SERVICES
from flotilla_galley.analysis.message import Message
from flotilla_galley.analysis.planned_pods import with_planned_pods
from flotilla_galley.analysis.reading import ResourceReader
from flotilla_galley.analysis.resources import ResourceSet
from flotilla_galley.analysis.run import Analysis, analyze
from flotilla_galley.analysis.suppression import Suppression
from flotilla_shared.model.kinds import MESH_CONFIG
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.connection import KubeConnection
from flotilla_shared.runtime.kube.errors import KubeError

DONE, WRONG_USAGE, UNREADABLE, FOUND = 0, 2, 65, 79


def run(arguments: Namespace) -> int:
    """0 nothing at the failure threshold, 79 something is, 65 a file or document cannot be read, 2 wrong usage.

    79 goes before 65. Raises FlotillaError where the cluster cannot be read.
    """
    if arguments.list_analyzers:
        return _list(arguments)
    try:
        analyzers = analyzers_of(arguments.ruleset, arguments.analyzer or ())
        suppressions = [Suppression.parse(each) for each in arguments.suppress]
        asked = Asked.of(arguments)
        reader, texts = _files(arguments, asked)
    except ValueError as error:
        print(f"flotilla: {error}", file=sys.stderr)
        return WRONG_USAGE
    except UnreadableFile as error:
        print(f"flotilla: {error}", file=sys.stderr)
        return UNREADABLE
    resources = _with_cluster(reader.finished(), analyzers, arguments, asked)
    found = analyze(resources, analyzers, suppressions, skip_missing=arguments.ruleset == "1.4")
    return _told(found, resources, texts, arguments, asked)


@dataclass(frozen=True, slots=True)
class Asked:
    """`cluster` is None where none is to be read. `namespace` is that of objects that name none."""

    cluster: KubeConnection | None
    namespace: str
    scope: Scope

    @classmethod
    def of(cls, arguments: Namespace) -> Asked:
        """Raises ValueError where there is nothing to read, FlotillaError where no cluster is known."""
        cluster = _cluster(arguments)
        if cluster is None and not arguments.paths:
            raise ValueError("there is nothing to analyze: name files, or a cluster by --kubeconfig")
        own = arguments.namespace or (cluster.namespace if cluster is not None else "default")
        shown = "" if arguments.all_namespaces or (cluster is None and not arguments.namespace) else own
        return cls(cluster, own, Scope(shown, files=bool(arguments.namespace)))


def _cluster(arguments: Namespace) -> KubeConnection | None:
    if arguments.use_kube is False:
        return None
    try:
        return connection(arguments.kubeconfig, arguments.context, os.environ)
    except CheckError:
        if arguments.use_kube or arguments.kubeconfig or not arguments.paths:
            raise
        return None


def _files(arguments: Namespace, asked: Asked) -> tuple[ResourceReader, dict[str, str]]:
    """Raises UnreadableFile."""
    reader = ResourceReader(asked.namespace)
    given = ((MESH_CONFIG, arguments.mesh_config), (MESH_NETWORKS, arguments.mesh_networks))
    texts = {}
    for collection, file in given:
        if file is not None:
            texts[str(file)] = text_of(file)
            reader.read_mesh(collection, str(file), texts[str(file)])
    for name, text in read_texts(arguments.paths, recursive=arguments.recursive).items():
        texts[name] = text
        reader.read(name, text)
    return reader, texts


def _with_cluster(
    files: ResourceSet, analyzers: tuple[Analyzer, ...], arguments: Namespace, asked: Asked
) -> ResourceSet:
    """The files' objects over the cluster's; without one with the pods that they ask for, and an installation's gateway."""
    if asked.cluster is None:
        return with_ingress_gateway(with_planned_pods(files))
    collections = {collection for each in analyzers for collection in each.reads}
    found = files.over(_read(asked.cluster, collections, arguments, asked.namespace))
    remote = {name: _remote(name, arguments) for name in arguments.remote_contexts}
    return found.over(ResourceSet(remote=remote))


def _remote(context: str, arguments: Namespace) -> ResourceSet:
    """The Services of another cluster. Raises FlotillaError."""
    return _read(connection(arguments.kubeconfig, context, os.environ), {SERVICES}, arguments, "default")


def _read(cluster: KubeConnection, collections: set[str], arguments: Namespace, namespace: str) -> ResourceSet:
    client = KubeClient(cluster, user_agent="flotilla-analyze")
    return asyncio.run(read_cluster(client, collections, arguments, namespace))


async def read_cluster(client: KubeClient, collections: set[str], arguments: Namespace, namespace: str) -> ResourceSet:
    """All of these collections. Raises FlotillaError where the API server does not answer."""
    config_map = f"istio-{arguments.revision}" if arguments.revision else "istio"
    collected = ResourceReader(root=arguments.root, mesh_config_map=config_map)
    reader = ClusterReader(client, collected, namespace, arguments.root)
    await client.start()
    try:
        async with asyncio.timeout(arguments.timeout):
            await reader.read(collections)
    except KubeError as error:
        raise FlotillaError(
            f"The cluster cannot be read: {error}.", "Or analyze files alone: --use-kube=false."
        ) from error
    except TimeoutError as error:
        raise FlotillaError("The cluster was not read in time.", "Give it more by --timeout.") from error
    finally:
        await client.stop()
    if reader.forbidden:
        print(
            f"flotilla: may not be read, and so counts as empty: {', '.join(sorted(reader.forbidden))}", file=sys.stderr
        )
    found = collected.finished()
    return ResourceSet(found.all(), found.problems, reader.missing)


def _told(found: Analysis, resources: ResourceSet, texts: dict[str, str], arguments: Namespace, asked: Asked) -> int:
    messages = [each for each in found.messages if asked.scope.holds(each)]
    problems = () if arguments.ignore_unknown else resources.problems
    colour = sys.stdout.isatty() if arguments.color is None else arguments.color
    page = Page(at_least(messages, arguments.output_threshold), problems, texts, colour)
    print(SHOWS[arguments.output](page))
    if arguments.output in ("json", "yaml"):
        for each in problems:
            print(f"flotilla: {each.file}:{each.line}: {each.text}", file=sys.stderr)
    if arguments.verbose:
        print(_progress(found, resources, messages), file=sys.stderr)
    if at_least(messages, arguments.failure_threshold):
        return FOUND
    return UNREADABLE if problems else DONE


def _progress(found: Analysis, resources: ResourceSet, messages: list[Message]) -> str:
    skipped = f"; not run, for what they read is not served: {', '.join(found.skipped)}" if found.skipped else ""
    return f"flotilla: {len(resources)} objects read, {len(messages)} messages{skipped}"


def _list(arguments: Namespace) -> int:
    known = known_analyzers(arguments.ruleset)
    width = max(len(each.name) for each in known)
    for each in known:
        only = "" if each.by_default else " (only if named)"
        print(f"{each.name:{width}}  {each.description}{only}")
    return DONE
