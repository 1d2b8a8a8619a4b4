"""How fast and how cheap, beside what one would have otherwise: ``make bench``.

``rows`` holds what is measured, a module a subject; ``baselines`` what it is measured against. Every figure is a ratio
of two things measured in turns in one run, because a machine that is busy slows both.
"""
