"""Decoders that need no pydantic: msgspec types made from the models' shapes.

A decoder is stricter than its model, and never laxer: what it takes, the model takes with the same values, and what it
does not take is for the model to judge. Left to whoever reads what was decoded: patterns, times, and whether a key
stood twice, which shows in the number of quotation marks.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, MsgspecError, UnsetType

from feature_schema import prebuilt

type Shape = dict[str, Any]

DECODE_ERRORS = (MsgspecError, UnicodeDecodeError)
"""What a decoder raises; the latter when what it would complain about is not UTF-8."""


def _derived() -> dict[str, Shape]:
    from feature_schema.fast import shapes  # noqa: PLC0415 (pydantic, which is loaded only where nothing is built)

    return shapes.derive_shapes()


SHAPES: dict[str, Shape] = prebuilt.load_or_derive("shapes", _derived)
"""The shapes of the models by name; see ``derivation``."""


def is_decodable(shape: Shape) -> bool:
    """Whether a decoder can check all that the model checks."""
    match shape["kind"]:
        case "object":
            return all(is_decodable(field["shape"]) for field in shape["fields"])
        case "many":
            return is_decodable(shape["item"])
        case kind:
            return bool(kind != "unknown")


def build_struct(name: str, shape: Shape) -> type[msgspec.Struct]:
    """The type of an object's shape.

    An optional field that is absent is ``UNSET``, which is false as null is. One whose default is not null must be
    there: nothing could tell the default from the same value given, and so the keys could not be counted.
    """
    return msgspec.defstruct(
        name,
        [
            (field["name"], _type(field) | UnsetType, UNSET) if _may_lack(field) else (field["name"], _type(field))
            for field in shape["fields"]
        ],
        forbid_unknown_fields=True,
        kw_only=True,
        gc=False,
    )


def build_row_struct(name: str, *shapes: Shape) -> type[msgspec.Struct]:
    """The type of an array that has the fields of all these objects, in their order."""
    fields = [(field["name"], _type(field)) for shape in shapes for field in shape["fields"]]
    return msgspec.defstruct(name, fields, forbid_unknown_fields=True, array_like=True, gc=False)


def count_quotes(shape: Shape) -> int:
    """How many quotation marks an object has, around keys and texts, if its optional fields are absent."""
    return sum(count_field_quotes(field) for field in shape["fields"] if not _may_lack(field))


def count_field_quotes(field: dict[str, Any]) -> int:
    """How many a field has, its value not being null."""
    match field["shape"]["kind"]:
        case "object":
            return 2 + count_quotes(field["shape"])
        case "text" | "time" | "choice":
            return 4
        case _:
            return 2


def _may_lack(field: dict[str, Any]) -> bool:
    return "default" in field and field["default"] is None


def _type(field: dict[str, Any]) -> Any:
    kind = to_type(field["shape"], field["name"])
    return kind | None if field["nullable"] else kind


def to_pattern_type(shape: Shape) -> Any:
    """What a text is decoded as where its pattern shall be checked at once."""
    return Annotated[str, Meta(pattern=rf"\A{shape['pattern'][1:-1]}\Z")]


def to_type(shape: Shape, name: str = "Item") -> Any:
    """What a shape is decoded as. ``name`` is for the type of an object."""
    match shape["kind"]:
        case "integer" | "number":
            number = int if shape["kind"] == "integer" else float
            return Annotated[number, Meta(**{bound: value for bound, value in shape.items() if bound != "kind"})]
        case "choice":
            return Literal[tuple(shape["of"])]
        case "object":
            return build_struct(name, shape)
        case "many":
            item: Any = to_type(shape["item"], name)
            return Annotated[list[item], Meta(min_length=shape["minimum"], max_length=shape["maximum"])]
        case kind:
            return str if kind in {"text", "time"} else Any
