"""From plain data to a message as Istio 1.4 read it: what came later is no field yet, and any number is an enum's."""

from __future__ import annotations

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from flotilla_galley.validation.decode import Decoder
from flotilla_galley.validation.of_1_4.fields import EMPTY_ENTRIES, EMPTY_ITEMS, LATER_FIELDS, LATER_WORDS
from flotilla_galley.validation.shapes import Shape

_NONE: frozenset[str] = frozenset()
_SELECTOR = "istio.networking.v1alpha3.WorkloadSelector"
_INT32 = range(-(2**31), 2**31)


class DecoderOf14(Decoder):
    """Decodes one spec of a kind that 1.4 had."""

    def named(self, descriptor: Descriptor, name: str) -> Shape | None:
        found = super().named(descriptor, name)
        return None if found is not None and found.name in LATER_FIELDS.get(descriptor.full_name, _NONE) else found

    def unknown_field(self, descriptor: Descriptor, name: str, path: str) -> None:
        if super().named(descriptor, name) is None:
            super().unknown_field(descriptor, name, path)
        else:
            text = f"Istio 1.4 has no field {name!r} here and passes over it; it came later"
            self._note("unknown-field", path, text, self.unknown)

    def scalar(self, message: Message, found: Shape, content: object, path: str) -> None:
        enum = found.field.enum_type
        if enum is not None and isinstance(content, str) and content in LATER_WORDS.get(enum.full_name, _NONE):
            known = (each.name for each in enum.values if each.name not in LATER_WORDS[enum.full_name])
            self._note("wrong-value", path, f"Istio 1.4 has no {content}, which came later; it has {', '.join(known)}")
        elif enum is not None and type(content) is int and content in _INT32 and content not in enum.values_by_number:
            self._note("wrong-value", path, f"{content} stands for no word, and 1.4 takes it all the same", "warning")
            setattr(message, found.name, content)
        else:
            super().scalar(message, found, content, path)

    def message(self, message: Message, value: object, path: str) -> None:
        """1.4 told labels that are not written from `{}`, which selects every workload."""
        super().message(message, value, path)
        if message.DESCRIPTOR.full_name == _SELECTOR and isinstance(value, dict) and value.get("labels") is None:
            text = "there is none; name labels, or leave the selector out to select every workload"
            self._note("invalid", f"{path}.labels", text)

    def null_item(self, message: Message, found: Shape, path: str) -> None:
        """What is passed over is left out, so the items behind it are told of under one number less."""
        if found.name in EMPTY_ITEMS.get(message.DESCRIPTOR.full_name, _NONE):
            self._note("null-item", path, "the item is empty, and 1.4 passes over it; fill or remove it", "warning")
        else:
            super().null_item(message, found, path)

    def null_entry(self, message: Message, found: Shape, key: object, path: str) -> None:
        """An attribute stays, without a value: only where 1.4 looks at attributes is that wrong."""
        if found.name not in EMPTY_ENTRIES.get(message.DESCRIPTOR.full_name, _NONE):
            super().null_entry(message, found, key, path)
        elif isinstance(key, str):
            self._note("null-item", path, "it is empty, and 1.4 passes over it; fill or remove it", "warning")
            getattr(message, found.name)[key].SetInParent()
