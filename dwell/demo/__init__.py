"""The whole lifecycle, run once on this machine: ``dwell run``.

The demo starts the local AWS and the robots, and observes. Everything between a robot and the leaderboard happens
through deployed events: the demo invokes no function, trains no model and promotes none.
"""
