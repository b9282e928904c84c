"""What settings say of how configuration is to be read."""

from __future__ import annotations

from dataclasses import dataclass, field

from flotilla_mixer.configuration.sampling import Samplers
from flotilla_mixer.expressions.languages import ANNOTATION, Language, language_of
from flotilla_shared.model.objects import ConfigObject
from flotilla_shared.model.problems import ProblemLog


@dataclass(frozen=True, slots=True)
class Options:
    """`language` is that of objects that do not say theirs; without `sampling` every call is reported, as in 1.4.
    `samplers` go on counting from one configuration to the next.
    """

    language: Language = Language.CEXL
    sampling: bool = True
    samplers: Samplers = field(default_factory=Samplers)


def language_for(item: ConfigObject, options: Options, problems: ProblemLog) -> Language | None:
    """The language of an object's expressions; None where it asks for one that there is not, which is told."""
    try:
        return language_of(item.annotations, options.language)
    except ValueError:
        said = item.annotations[ANNOTATION]
        text = f"there is no language {said!r}; it is one of {', '.join(Language)}."
        problems.error(item.key, "unknown-language", f"metadata.annotations[{ANNOTATION}]", text)
        return None
