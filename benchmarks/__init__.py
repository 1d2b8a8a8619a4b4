"""Speed and cost compared with the alternatives: ``make bench``.

``cases`` holds the benchmarks, a module for each subject, and ``baselines`` the code that they compare with. Every
result is a ratio of two things measured alternately in one run, because a busy machine slows both.
"""
