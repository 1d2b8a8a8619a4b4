"""AWS on one machine: ministack in one process, extended with what it lacks, started by ``python -m local_aws``.

This distribution runs in an environment of its own (``requirements.txt``). Each extension is a module with a function
``install`` that replaces the names of ministack that it extends.
"""
