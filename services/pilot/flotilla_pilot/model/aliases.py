"""Services that are other names of services: Kubernetes' ExternalName, where what it names is in the mesh."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from flotilla_pilot.model.references import reference
from flotilla_pilot.model.services import Alias, Service


def resolve_aliases(services: Iterable[Service], *, by_name: bool = True) -> tuple[Service, ...]:
    """`services` without those that are other names, which the services that they lead to have as aliases.

    Names may lead on to names. One that leads to nobody in the mesh, or in a circle, stays what it is, if it has ports:
    resolved by DNS. Not so without `by_name`: then nobody knows of it.
    """
    held = list(services)
    names = {each.host: each for each in held if each.external_name}
    if not names:
        return tuple(held)
    concrete = {each.host for each in held if not each.external_name}
    found: dict[str, list[Alias]] = {}
    for host, each in sorted(names.items()):
        target = _followed(each, names)
        if target in concrete:
            found.setdefault(target, []).append(Alias(host, reference(each.source)))
    resolved = {alias.host for aliases in found.values() for alias in aliases}
    kept = (each for each in held if each.host not in resolved and ((each.ports and by_name) or not each.external_name))
    return tuple(_named(each, found.get(each.host, ())) for each in kept)


def hosts_of_aliases(services: Iterable[Service]) -> Mapping[str, str]:
    """The host that each alias stands for."""
    return {alias.host: each.host for each in services for alias in each.aliases}


def _followed(service: Service, names: Mapping[str, Service]) -> str:
    seen = {service.host}
    target = service.external_name
    while target in names and target not in seen:
        seen.add(target)
        target = names[target].external_name
    return target


def _named(service: Service, aliases: Iterable[Alias]) -> Service:
    every = tuple(dict.fromkeys((*service.aliases, *aliases)))
    return replace(service, aliases=every) if every != service.aliases else service
