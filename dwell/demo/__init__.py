"""The whole lifecycle, played once on this machine: ``dwell run``.

It starts things and watches. Everything between a robot and the leaderboard happens through deployed events: nothing
here calls a function, trains a model or promotes one.
"""
