"""Output that goes nowhere: the disk is full, or nobody reads it any more."""

from __future__ import annotations

import errno

_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EPIPE}


def is_unwritable(error: OSError) -> bool:
    """Whether something could not be written. The command's entry answers that, whatever the command was doing."""
    return error.errno in _UNWRITABLE
