"""Which source tokens made a model write which target tokens."""
