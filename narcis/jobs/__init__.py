"""Notebooks as jobs: what may be asked of them, how they are run, and how a run ended."""
