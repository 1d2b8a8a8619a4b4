"""The commands of ``dwell``, one module for each group."""
