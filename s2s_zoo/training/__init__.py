"""Losses, optimizers, callbacks, metrics, several devices."""
