"""One ranked answer from many servers, whose scores cannot be compared with each other."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mission_control.integrations.memory.items import FoundAt, Item, SearchHit
from mission_control.integrations.memory.selection import words_of

# Reciprocal ranks: how much the first place counts more than the next ones. Small, because a list
# of one server is short and its head is what it is good at.
RANK_CONSTANT = 5
# How much agreeing with the words of the query counts against a first place at one server: enough
# that a server that always answers something does not crowd out one that knows.
WORDS_WEIGHT = 1.0
LONGEST_COMPARED = 600  # characters; two texts alike so far are the same thing told twice


@dataclass(slots=True)
class _Candidate:
    item: Item
    score: float = 0.0
    found: list[FoundAt] = field(default_factory=list[FoundAt])


def ranked(
    query: str,
    answers: Mapping[str, Sequence[Item]],
    *,
    weights: Mapping[str, float],
    limit: int,
) -> tuple[SearchHit, ...]:
    """Fuse the servers' lists by rank, together with one list of our own: by shared words.

    The same text is one hit, however many servers hold it and however they write it.

    Args:
        query: What was searched for.
        answers: Each server's items, best first.
        weights: How much a server's first place counts; 1 where not given.
        limit: The most hits to give.
    """
    candidates: dict[str, _Candidate] = {}
    for server, items in answers.items():
        weight = weights.get(server, 1.0)
        for rank, item in enumerate(_distinct(items), start=1):
            candidate = candidates.setdefault(_sameness(item.text), _Candidate(item))
            candidate.score += weight / (RANK_CONSTANT + rank)
            candidate.found.append(FoundAt(server, item.id, rank, item.score))
            candidate.item = _richer(candidate.item, item)
    _add_shared_words(query, candidates.values())
    best = sorted(
        candidates.values(),
        key=lambda each: (-each.score, each.found[0].server, each.found[0].rank),
    )
    return tuple(SearchHit(each.item, each.score, tuple(each.found)) for each in best[:limit])


def by_shared_words(query: str, items: Iterable[Item]) -> list[Item]:
    """Those that share a word with the query, those that share most first: for servers without search."""
    asked = words_of(query)
    scored = [(_share(asked, item), item) for item in items]
    found = [(share, item) for share, item in scored if share > 0]
    return [item for _, item in sorted(found, key=lambda pair: -pair[0])]


def _add_shared_words(query: str, candidates: Iterable[_Candidate]) -> None:
    """Equal shares are equal places, so that the order of the servers decides nothing."""
    asked = words_of(query)
    shares = {id(each): _share(asked, each.item) for each in candidates}
    places = {
        share: place
        for place, share in enumerate(sorted({*shares.values()} - {0.0}, reverse=True), 1)
    }
    for each in candidates:
        share = shares[id(each)]
        if share > 0:
            each.score += WORDS_WEIGHT / (RANK_CONSTANT + places[share])


def _share(asked: frozenset[str], item: Item) -> float:
    """Of the query's words, by length: short words are mostly the ones that say little."""
    held = words_of(item.text)
    total = sum(map(len, asked))
    return sum(len(word) for word in asked & held) / total if total else 0.0


def _distinct(items: Sequence[Item]) -> list[Item]:
    """A server may hold the same text several times; its best place counts."""
    return list({_sameness(item.text): item for item in reversed(items)}.values())[::-1]


def _sameness(text: str) -> str:
    plain = "".join(c if c.isalnum() else " " for c in text[:LONGEST_COMPARED].casefold())
    return " ".join(plain.split()) or text


def _richer(one: Item, other: Item) -> Item:
    """Of two copies the one that is understood, and dated, says more."""
    return max((one, other), key=lambda item: (item.parsed, item.happened_at is not None))
