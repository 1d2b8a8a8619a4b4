"""The planner's API: what will happen? An answer always comes, from a model or from the fallback."""
