"""Temporal memory: what is true, what was, and since when we know it."""
