"""What the stand-in knows of English: word stems, synonyms and the idioms of the telephone."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

# Words of one line count as related. General English only: no agent's subject belongs here.
SYNONYMS = """
price cost charge pay payment fee budget dollar expensive expense cheap cheaper discount rate afford
later tomorrow busy driving meeting afternoon tonight lunch evening morning
remove unsubscribe delete erase
human robot bot machine automated computer ai
manager supervisor boss colleague
secure security privacy private personal confidential protect data
vendor provider supplier broker competitor switch
voicemail beep mailbox
record recorded recording tape
book appointment schedule calendar slot reserve reservation
email mail brochure inbox
cancel cancellation skip
reschedule move change postpone
wrong mistake incorrect
angry annoyed furious rude ridiculous harass harassment sick
open hours close weekend saturday sunday holiday
refund reimburse reimbursement
deliver delivery ship shipping package parcel
spanish espanol hablar habla ingles
license licence licensed
breakfast breakfasts meal food eat dinner restaurant
park parking garage
dog cat pet animal
child children kid minor teenager teen son daughter
pain hurt ache aching toothache swollen swelling
doctor dentist physician
lawyer attorney legal
accident crash collision damage damaged
claim claims loss
inspect inspection audit inspector
proof certificate document paperwork
expire expires expiration renew renews renewal
sorry apologise apologises apologize apology regret
wifi internet wireless password
"""

IDIOMS = {
    "remove": r"\b(?:stop|quit|never|dont|don't|do not|please not)\s+(?:ever\s+)?"
    r"(?:call|ring|contact|phon|dial|text|mess?ag)\w*|"
    r"\btake (?:me|us|my name|my number|this number) off|\boff (?:of )?(?:your|the|this|that) (?:call(?:ing)? )?list|"
    r"\b(?:lose|delete|remove) (?:me|us|my number|this number)",
    "later": r"\bcall(?:ing)? (?:me |us |you )?(?:back|again)|\b(?:try|ring) (?:me |us )?(?:back|again|later)|"
    r"\b(?:bad|not a good|terrible) (?:time|moment)|\bin the middle of",
    "who calls": r"\bwho(?:'s| is| am i| are you| do you)\b|\b(?:what|which) company",
    "price": r"\bhow much\b|\bhow expensive\b",
    "human": r"\b(?:are you|is this|am i (?:talking|speaking) (?:to|with)) (?:an? )?"
    r"(?:real|actual|human|live|robot|bot|machine|computer|recording|ai|person)\b",
    "wrong": r"\bwrong (?:number|person|guy|company)|\b(?:nobody|no one) (?:here )?(?:by|with|named|called)|"
    r"\bby that name",
    "no interest": r"\bnot (?:\w+ )?interested|\bno,? thank(?:s| you)|\bdon'?t need (?:any|it|that)\b",
    "source of number": r"\b(?:where|how) (?:did|do) you (?:get|have|find)\b|\bgave you (?:my|this)",
    "speak to": r"\b(?:speak|talk|put me through|transfer me|connect me) (?:to|with) (?!you\b)",
    "already have": r"\balready (?:have|has|got|work|use|with)\b|\bhappy with\b|\ball set\b|\bcovered already\b",
}

_STOP_WORDS = """
the a an and or but in on at to for of with by is are was were be been being have has had do does did
    will would could should may might can cannot this that these those i i'm i'll i'd i've you you're you'll
    you've we we're we'll it it's its me my mine our us your yours they they're them their he she him her his
    not no yes yeah what what's how when who who's why which where there here so if then than as from about am
    just please really very let lets let's can't don't dont isn't doesn't didn't won't want wants need needs
    like get gets got give make take tell tells know say says said saying ok okay sure hello hi hey well
    call calls called calling caller callers phone something anything someone somebody anybody one some any
    more many much too also now right time day thing things back work going go gonna mention mentions ask asks
    asked talk speak thank thanks out up off over only even still ever never every all both into how's you'd
    person customer user people guy man ma'am sir folks question questions answer because while again first
    good great happy glad help understand today moment minute number
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())

_STRAIGHT = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'})
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_SUFFIXES = (
    "ations", "ation", "ings", "ing", "edly", "ance", "ments", "ment", "ities", "ity",
    "ies", "ied", "ed", "es", "er", "est", "s", "ly", "e", "y",
)  # fmt: skip
_IDIOMS = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in IDIOMS.items()}


@dataclass(frozen=True, slots=True)
class Meaning:
    """The telling parts of a text: stems of words, idioms, and the concepts that both of them name."""

    stems: frozenset[str]
    idioms: frozenset[str]
    concepts: frozenset[str]


def plain(text: str) -> str:
    """The text in lower case on one line, with straight quotes and without accents."""
    straight = text.translate(_STRAIGHT)
    letters = unicodedata.normalize("NFKD", straight) if not straight.isascii() else straight
    return " ".join("".join(c for c in letters if not unicodedata.combining(c)).lower().split())


def words(text: str) -> list[str]:
    return _WORD.findall(plain(text))


def stem(word: str) -> str:
    """A crude root: `cancelled` and `cancel`, `prices` and `pricing` come out alike."""
    root = word.replace("'", "")
    for suffix in _SUFFIXES:
        if root.endswith(suffix) and len(root) - len(suffix) >= 3:
            root = root[: -len(suffix)]
            break
    return root[:-1] if len(root) > 4 and root[-1] == root[-2] else root


def _concepts_by_stem() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for line in SYNONYMS.strip().splitlines():
        name, *_ = line.split()
        for word in line.split():
            found.setdefault(stem(word), set()).add(name)
    return {root: frozenset(names) for root, names in found.items()}


_CONCEPTS = _concepts_by_stem()


def concepts_of(root: str) -> frozenset[str]:
    return _CONCEPTS.get(root, frozenset())


def telling_words(text: str) -> list[str]:
    """The words that carry a subject, each once, in order."""
    kept = (word for word in words(text) if word not in STOP_WORDS and len(word) > 1)
    return list(dict.fromkeys(kept))


def idioms(text: str) -> dict[str, str]:
    """Each idiom that occurs, with the words that it occurs in."""
    line = plain(text)
    found = {name: pattern.search(line) for name, pattern in _IDIOMS.items()}
    return {name: match[0].strip(" ,") for name, match in found.items() if match}


@lru_cache(maxsize=20_000)
def meaning(text: str) -> Meaning:
    """What a text is about. The words of an idiom mean nothing on their own."""
    spoken = idioms(text)
    rest = plain(text)
    for phrase in spoken.values():
        rest = rest.replace(phrase, " ")
    stems = frozenset(stem(word) for word in telling_words(rest))
    named = frozenset(concept for root in stems for concept in concepts_of(root))
    return Meaning(stems, frozenset(spoken), named | frozenset(spoken))
