"""The emulator: ministack in this process, extended with what Dwell's template needs and ministack lacks.

This package runs in an environment of its own (``requirements/emulator.txt``) as ``python -m dwell.local.emulator``.
Each module extends one service and has a function ``install`` that says which of ministack's names it hooks into.
"""
