"""A pipeline behind HTTP: `s2s-zoo serve`. It needs `pip install 's2s-zoo[serve]'`."""
