"""The memory servers that come with Mission Control, for those who have none of their own."""
