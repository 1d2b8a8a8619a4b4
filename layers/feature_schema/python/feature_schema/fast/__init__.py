"""Parsers that need no pydantic: same results as ``feature_schema.parser`` for valid input, at a fraction of its time.

``shapes`` derives plain data from the pydantic models, ``decoders`` makes msgspec types of it, ``batch_parser`` and
``request_parser`` use them. Whatever they cannot decode is parsed by ``feature_schema.parser``, which decides.
"""
