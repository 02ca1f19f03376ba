"""Protocols: one module each, all behind the interface in :mod:`workbench.sources.base`."""
