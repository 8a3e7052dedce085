"""What a comparison says of replies that the token limit cut."""

from mission_control.core.comparison.verdict import Comparison


def with_cut_replies(
    comparison: Comparison, *, baseline: int, candidate: int, of: int
) -> Comparison:
    """The comparison with the number of cut replies in each arm of `of` replies.

    It is said first where the arms differ: then it may be all that the difference shows.
    """
    if not baseline and not candidate:
        return comparison
    said = (
        f"The token limit cut {candidate} of {of} replies of the candidate and {baseline} of the "
        "baseline; a cut reply fails."
    )
    sentences = (
        (said, comparison.sentence) if baseline != candidate else (comparison.sentence, said)
    )
    return comparison.model_copy(
        update={
            "sentence": " ".join(sentences),
            "baseline_truncated": baseline,
            "candidate_truncated": candidate,
        }
    )
