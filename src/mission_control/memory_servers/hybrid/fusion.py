"""One ranking out of several, by rank: the scores of words and of vectors cannot be compared."""

from collections.abc import Mapping, Sequence


def fused(
    rankings: Mapping[str, Sequence[int]], *, weights: Mapping[str, float], k: float
) -> list[tuple[int, float]]:
    """`(id, score)`, best first. Each ranking gives `weight / (k + rank)`, ranks from 1.

    With a small `k` the first places count for much more than the rest.
    """
    scores: dict[int, float] = {}
    for name, ranking in rankings.items():
        for rank, each in enumerate(ranking, start=1):
            scores[each] = scores.get(each, 0.0) + weights[name] / (k + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))
