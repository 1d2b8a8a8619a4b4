"""The header line that carries a message's id in front of its lines.

The ids of CSV rows derive from the id of their message. In the stream, the id is the record's partition key; in
Firehose's error prefix, only the data of the record remains. The forwarder therefore writes ``#<message id>`` as the
first line of a message with CSV rows, and readers of the data remove it.
"""

from __future__ import annotations

import re

_HEADER = re.compile(rb"#([0-9A-Za-z-]{1,64})\n")


def split_message_header(data: bytes, default_message_id: str) -> tuple[bytes, str]:
    """Return the lines of a record without its header, and the header's message id, else ``default_message_id``."""
    header = _HEADER.match(data)
    return (data, default_message_id) if header is None else (data[header.end() :], header[1].decode())
