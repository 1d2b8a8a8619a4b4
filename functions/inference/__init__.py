"""The planner's API: how long will the interaction take? An answer always comes, from a model or from the fallback."""
