"""Parses what ``feature_schema.parser`` parses, with the same results, but without pydantic and in bulk.

``shapes`` derives plain data from the models, ``decoders`` builds msgspec types from it, ``batch_parser`` and
``request_parser`` decode with them. An input that they cannot decode goes to ``feature_schema.parser``, which accepts
it or raises ``InvalidInputError``.
"""
