"""Hybrid intelligence: search over calls and conversations, by words and by meaning."""
