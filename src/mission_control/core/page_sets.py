"""Which pages of a long reading are done, small enough to be stored with every page."""

from collections.abc import Iterable, Sequence


class PageSet:
    """Page numbers as ranges: `[[0, 41], [43, 43]]` is all of 0 to 43 but 42."""

    def __init__(self, ranges: Iterable[Sequence[int]] = ()) -> None:
        self._pages = {page for first, last in ranges for page in range(first, last + 1)}

    def add(self, page: int) -> None:
        self._pages.add(page)

    def __contains__(self, page: int) -> bool:
        return page in self._pages

    def __len__(self) -> int:
        return len(self._pages)

    def to_json(self) -> list[list[int]]:
        ranges: list[list[int]] = []
        for page in sorted(self._pages):
            if ranges and ranges[-1][1] == page - 1:
                ranges[-1][1] = page
            else:
                ranges.append([page, page])
        return ranges
