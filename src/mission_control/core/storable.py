"""Text from elsewhere, as both databases take it."""


def storable_text(given: str) -> str:
    """The same without U+0000 and halves of characters, which PostgreSQL stores in no text."""
    return given.replace("\x00", "").encode("utf-8", "replace").decode()
