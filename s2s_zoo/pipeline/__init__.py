"""A task from end to end, and how one is loaded."""
