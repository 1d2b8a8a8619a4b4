"""A message's id in front of its lines, where some have no id of their own.

A workshop row is known by the message that it came in. The stream's key says which one, but what Firehose puts aside
has no key: there only what is in the data is left. So the forwarder writes ``#<message id>`` as a line in front, and
whoever reads the lines takes it off again.
"""

from __future__ import annotations

import re

_FIRST_LINE = re.compile(rb"#([0-9A-Za-z-]{1,64})\n")


def split_message_header(data: bytes, message_id: str) -> tuple[bytes, str]:
    """The lines of a record, and the id of their message: the one in front of them, or else ``message_id``."""
    first = _FIRST_LINE.match(data)
    return (data, message_id) if first is None else (data[first.end() :], first[1].decode())
