"""Builds msgspec types from the shapes of the models, for decoding without pydantic.

A decoder accepts a subset of its model's inputs, with identical values; everything else falls back to the model. A
decoder does not check patterns, times and duplicate keys; its caller does (a duplicate key shows in the number of
quotation marks).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, MsgspecError, UnsetType

from feature_schema import prebuilt

if TYPE_CHECKING:
    from feature_schema.fast.shapes import Shape

DECODE_ERRORS = (MsgspecError, UnicodeDecodeError)
"""Exceptions of a decoder; the second one if the text that msgspec would quote in its message is not UTF-8."""


def _derive_shapes() -> dict[str, Shape]:
    from feature_schema.fast import shapes  # noqa: PLC0415 (imports pydantic, needed without prebuilt data only)

    return shapes.derive_shapes()


SHAPES: dict[str, Shape] = prebuilt.load_or_derive("shapes", _derive_shapes)
"""The shapes of the models by the models' names."""


def is_decodable(shape: Shape) -> bool:
    """Return whether a decoder can check everything that the model checks."""
    match shape["kind"]:
        case "object":
            return all(is_decodable(field["shape"]) for field in shape["fields"])
        case "array":
            return is_decodable(shape["item"])
        case kind:
            return bool(kind != "unknown")


def build_struct(name: str, shape: Shape) -> type[msgspec.Struct]:
    """Build the type of an object.

    An absent optional field decodes as ``UNSET``, which is falsy like null. A field with a default other than null is
    required here: the default could not be told from the same value in the input, so keys could not be counted.
    """
    return msgspec.defstruct(
        name,
        [
            (field["name"], _to_field_type(field) | UnsetType, UNSET)
            if _is_optional(field)
            else (field["name"], _to_field_type(field))
            for field in shape["fields"]
        ],
        forbid_unknown_fields=True,
        kw_only=True,
        gc=False,
    )


def build_row_struct(name: str, *shapes: Shape) -> type[msgspec.Struct]:
    """Build the type of an array with the fields of all these objects, in order."""
    fields = [(field["name"], _to_field_type(field)) for shape in shapes for field in shape["fields"]]
    return msgspec.defstruct(name, fields, forbid_unknown_fields=True, array_like=True, gc=False)


def count_quotes(shape: Shape) -> int:
    """Return the number of quotation marks around keys and strings of an object without its optional fields."""
    return sum(count_field_quotes(field) for field in shape["fields"] if not _is_optional(field))


def count_field_quotes(field: dict[str, Any]) -> int:
    """Return the number of quotation marks around key and value of a field that is not null."""
    match field["shape"]["kind"]:
        case "object":
            return 2 + count_quotes(field["shape"])
        case "text" | "time" | "choice":
            return 4
        case _:
            return 2


def _is_optional(field: dict[str, Any]) -> bool:
    return "default" in field and field["default"] is None


def _to_field_type(field: dict[str, Any]) -> Any:
    field_type = to_type(field["shape"], field["name"])
    return field_type | None if field["nullable"] else field_type


def to_pattern_type(shape: Shape) -> Any:
    """Return the type of a text whose decoder checks the pattern, too."""
    return Annotated[str, Meta(pattern=rf"\A{shape['pattern'][1:-1]}\Z")]


def to_type(shape: Shape, name: str = "Item") -> Any:
    """Return the type that a decoder uses for a shape. ``name`` becomes the name of an object's type."""
    match shape["kind"]:
        case "integer" | "number":
            number = int if shape["kind"] == "integer" else float
            return Annotated[number, Meta(**{bound: value for bound, value in shape.items() if bound != "kind"})]
        case "choice":
            return Literal[tuple(shape["values"])]
        case "object":
            return build_struct(name, shape)
        case "array":
            item: Any = to_type(shape["item"], name)
            return Annotated[list[item], Meta(min_length=shape["minimum"], max_length=shape["maximum"])]
        case kind:
            return str if kind in {"text", "time"} else Any
