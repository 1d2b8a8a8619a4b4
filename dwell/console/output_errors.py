"""Recognizes errors of writing the output: a full disk, or a closed pipe."""

from __future__ import annotations

import errno

_UNWRITABLE_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EPIPE}


def is_unwritable(error: OSError) -> bool:
    """Whether the error means that output cannot be written. ``dwell.__main__`` handles it for all commands."""
    return error.errno in _UNWRITABLE_ERRNOS
