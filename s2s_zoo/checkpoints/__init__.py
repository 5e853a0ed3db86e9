"""Checkpoint directories, the catalog and the Hub."""
