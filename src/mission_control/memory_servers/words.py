"""The words of a text that are worth searching for."""

import re

from mission_control.core.text_folding import sought

WORD = re.compile(r"[^\W_]+")
MOST_WORDS = 48  # of a question; more make it slower, and no better

STOP_WORDS = frozenset(
    WORD.findall("""a about after again all also am an and any are as at be because been before being but by can
    could did do does doing for from further had has have having he her here hers him his how i if
    in into is it its just me more most my no nor not now of off on once only or other our ours out
    over own same she should so some such than that the their theirs them then there these they this
    those through to too under until up very was we were what when where which while who whom why
    will with would you your yours""")
)


def words_of(text: str) -> list[str]:
    """As texts are indexed, each once, in their order; without stop words unless there are no others."""
    every = sought(text)
    telling = [word for word in every if word not in STOP_WORDS]
    return (telling or every)[:MOST_WORDS]
