"""The command `s2s-zoo`."""
