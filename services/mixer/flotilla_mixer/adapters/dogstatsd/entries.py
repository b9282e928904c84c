"""Rows of `logentry` as DogStatsD's events and service checks.

_e{5,9}:title|the text|d:1767225600|k:key|p:low|s:source|t:error|#service:ratings
_sc|mesh.ratings|2|d:1767225600|#service:ratings|m:why
"""

from __future__ import annotations

from typing import Any

from flotilla_mixer.adapters.datadog.vocabulary import TagMaker, alert_type, check_status, encodable, fit_name, fit_word
from flotilla_mixer.kit.gotext import Template, TemplateError, template
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.dogstatsd.config.config_pb2 import Params

LOW = Params.Event.LOW
MOMENT, SEVERITY, VARIABLES = 0, 1, 3  # places in a row
NANOSECONDS = 1_000_000_000
MOST_BYTES = 8_192  # of an event or check: what an agent reads at once by default
LONGEST_TITLE, LONGEST_TEXT, LONGEST_MESSAGE = 100, 4_000, 1_000  # characters
CUT = "..."


class EntryTexts:
    """Runs the templates of one instance over the variables of its rows."""

    def __init__(self, spec: InstanceSpec) -> None:
        self._spec = spec
        self.names = spec.names.get("variables", ())

    def run(self, found: Template, row: tuple[Any, ...]) -> str:
        """Raises ValueError for a row that it cannot be run on."""
        try:
            return encodable(found.run(dict(zip(self.names, row[VARIABLES], strict=True))))
        except TemplateError as error:
            raise ValueError(f"an entry of {self._spec.name} has no text: {error}") from error


class EventWriter:
    """The events of one instance. `tags` are its own and those of all; `ending` says where they come from."""

    def __init__(self, spec: InstanceSpec, info: Any, tags: dict[str, str], ending: str) -> None:
        self._texts = EntryTexts(spec)
        self._name = spec.name
        self._title = template(info.title)
        self._text = template(info.text)
        self._key = template(info.aggregation_key)
        self._middle = ("|p:low" if info.priority == LOW else "") + (
            f"|s:{fit_word(info.source_type)}" if info.source_type else ""
        )
        self._tags = TagMaker(self._texts.names, tags, tuple(info.tag_variables))
        self._ending = ending

    def line(self, row: tuple[Any, ...]) -> str:
        """One event with its end. Raises ValueError for a row that has none."""
        tags = self._tags.tags(row[VARIABLES])
        key = fit_word(self._texts.run(self._key, row))
        rest = f"{moment(row)}{f'|k:{key}' if key else ''}{self._middle}|t:{alert_type(row[SEVERITY])}"
        rest += (f"|#{','.join(tags)}" if tags else "") + self._ending
        title = _one_line(self._texts.run(self._title, row) or self._name, LONGEST_TITLE)
        room = MOST_BYTES - len(rest.encode()) - len(title.encode()) - len("_e{1000,10000}:|\n")
        text = _fit(_one_line(self._texts.run(self._text, row) or title, LONGEST_TEXT), room)
        return f"_e{{{len(title.encode())},{len(text.encode())}}}:{title}|{text}{rest}\n"


class CheckWriter:
    """The service checks of one instance: how it stands, by the severity of its entries."""

    def __init__(self, spec: InstanceSpec, info: Any, tags: dict[str, str], ending: str) -> None:
        self._texts = EntryTexts(spec)
        self._head = f"_sc|{fit_name(info.name)}|"
        self._message = template(info.message)
        self._tags = TagMaker(self._texts.names, tags, tuple(info.tag_variables))
        self._ending = ending

    def line(self, row: tuple[Any, ...]) -> str:
        """One check with its end. Raises ValueError for a row that has none."""
        tags = self._tags.tags(row[VARIABLES])
        shown = f"|#{','.join(tags)}" if tags else ""
        message = _one_line(self._texts.run(self._message, row), LONGEST_MESSAGE).replace("|", "_")
        message = message.replace("m:", "m\\:")
        said = f"|m:{message}" if message else ""
        return f"{self._head}{check_status(row[SEVERITY])}{moment(row)}{shown}{said}{self._ending}\n"


def moment(row: tuple[Any, ...]) -> str:
    """In whole seconds; nothing for an entry without a time, which then is of now."""
    seconds = row[MOMENT] // NANOSECONDS if isinstance(row[MOMENT], int) else 0
    return f"|d:{seconds}" if seconds > 0 else ""


def _one_line(text: str, longest: int) -> str:
    cut = text if len(text) <= longest else text[: longest - len(CUT)] + CUT
    return cut.replace("\n", "\\n")


def _fit(text: str, most: int) -> str:
    """No more bytes than this, and whole characters."""
    content = text.encode()
    return text if len(content) <= most else content[: max(0, most)].decode(errors="ignore")
