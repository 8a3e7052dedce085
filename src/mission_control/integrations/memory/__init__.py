"""Speaks MCP to the memory servers that people have: connecting, mapping and ranking."""
