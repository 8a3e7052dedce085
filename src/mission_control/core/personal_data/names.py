"""Names of people: those that are said in a conversation, and those that are known from elsewhere."""

import re
from collections.abc import Iterable, Iterator, Sequence

from mission_control.core.personal_data.ordinary_words import ORDINARY_WORDS, PARTICLES

NAME = "[name]"
MOST_WORDS = 4  # of one name

CAPITAL = (
    r"[^\W\d_a-zß-öø-ÿа-яё][\w'\u2019-]*"  # a word that begins with a capital, of any alphabet
)
PARTICLE = "|".join(sorted(PARTICLES, key=len, reverse=True))
FULL = rf"{CAPITAL}(?:\s+(?:(?:{PARTICLE})\s+){{0,2}}{CAPITAL}){{0,{MOST_WORDS - 1}}}"
SAID = r"\w[\w'\u2019-]*"

# After these comes a name, whatever its spelling.
CERTAIN = re.compile(
    r"(?:\bmy (?:(?:first|last|full|middle|maiden|family|given) )?name(?:['\u2019]s| is| was)|"
    r"\b(?:his|her|the|your|patient(?:['\u2019]s)?|caller(?:['\u2019]s)?) (?:(?:first|last|full) )?name is|"
    r"\b(?:please |just |you can )?call me|\bunder the name(?: of)?|\bin the name of|"
    r"\bmein (?:vor|nach|familien)?name (?:ist|lautet)|\bich hei(?:ß|ss)e|\bauf den namen|"
    r"\bme llamo|\bmi (?:nombre|apellido) es|\ba nombre de|"
    r"\bje m['\u2019]appelle|\bmon (?:nom|prénom|nom de famille)(?:,)? (?:est|c['\u2019]est)|\bau nom de|"
    r"\bmi chiamo|\bil mio (?:nome|cognome) è|\ba nome(?: di)?|"
    r"\b(?:eu )?me chamo|\bchamo-me|\b(?:o )?meu (?:nome|sobrenome) é|\bem nome de|"
    r"\bik heet|\bmijn (?:voor|achter)?naam is|\bop naam van|"
    r"\bnazywam się|\bjmenuj[iu] se|\bjag heter|\bjeg heter|\b(?:benim )?adım|\bاسمي|\bשמי|"
    r"\bменя зовут|\bмо[ёея] (?:имя|фамилия))\s+(?:is\s+|also\s+)?",
    re.IGNORECASE,
)
# After these comes a name if it is written as one.
PERHAPS = re.compile(
    r"\b(?:my (?:husband|wife|son|daughter|mother|father|mom|dad|brother|sister|friend|boss|partner)(?:,| is)?|"
    r"calling (?:for|on behalf of)|on behalf of|(?:speak|talk) (?:to|with)|ask for|"
    r"this is|i['\u2019]m|i am|it['\u2019]s|you['\u2019]re speaking (?:with|to)|speaking (?:with|to)|"
    r"here is|ich bin|hier ist|hier spricht|hier|soy|habla|con|je suis|c['\u2019]est|ici|sono|parla|sou|"
    r"aqui é|fala|ik ben|u spreekt met|met|это|меня)\s+",
    re.IGNORECASE,
)
# `It's Christmas`; and in German all nouns have a capital.
SEVERAL_FOLLOW = (
    "it", "ich bin", "hier", "here", "con", "met", "c", "ici", "sono", "это", "меня", "aqui",
)  # fmt: skip
ABOUT_OTHERS = ("calling", "on behalf", "speak", "talk", "ask")
UNWRITTEN = re.compile(  # in a transcript without capitals
    r"\b(?:this is|i['\u2019]m|i am) (?P<name>[\w'-]+(?: [\w'-]+)?) (?:calling|speaking|from)\b"
)
WHO_GOES_ON = re.compile(
    r"\s*(?:$|[.,!?;:]|(?:from|calling|speaking|here|with|at|again|and|von|aus|de|del|di|da|van|"
    r"hier|am apparat|à l['\u2019]appareil|al habla)\b)",
    re.IGNORECASE,
)
TITLE = re.compile(
    r"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Herr|Herrn|Frau|Señor|Señora|Señorita|Sr|Sra|Srta|Don|Doña|"
    r"Monsieur|Madame|Mademoiselle|Mme|Mlle|Signor|Signora|Signore|Senhor|Senhora|Dona|"
    rf"Meneer|Mevrouw|Dhr|Mevr|господин|госпожа)\.?\s+(?P<name>{FULL})"
)
ADDRESSED = re.compile(
    r"\b(?:thank you(?: so much| very much)?|thanks|hi|hello|hey|hi there|dear|welcome(?: back)?|okay|ok|great|"
    r"perfect|alright|bye|goodbye|good (?:morning|afternoon|evening)|sorry|danke|hallo|guten tag|"
    r"gracias|hola|buenos días|merci|bonjour|bonsoir|grazie|ciao|buongiorno|obrigad[oa]|olá|dank u|"
    rf"goedemorgen),?\s+(?P<name>(?-i:{CAPITAL}(?:\s+{CAPITAL})?))(?=\s*[.,!?;:]|\s*$)",
    re.IGNORECASE,
)
# `Anna Kowalska speaking`: the name stands first.
SPEAKING = re.compile(
    rf"(?P<name>{CAPITAL}\s+(?:(?:{PARTICLE})\s+){{0,2}}{CAPITAL})\s*,?\s+"
    r"(?:speaking|here|am apparat|al habla|al aparato|à l['\u2019]appareil|all['\u2019]apparecchio)\b"
)
UNWRITTEN_TITLE = re.compile(
    r"\b(?:mr|mrs|ms|dr|frau|herr|señora?|madame|monsieur)\.? (?P<name>[^\W\d_]{3,})"
)
ABBREVIATED_TITLE = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof|Sr|Sra|Srta|Mme|Mlle|Dhr|Mevr)\.\s*$")
SPELLED = re.compile(r"(?<![\w-])[A-Z](?:[\s.,-]{1,2}[A-Z]){3,}(?![\w-])")
HAN = r"[\u3400-\u9fff\u3005]"
KATAKANA = r"[\u30a1-\u30ff]"
EAST_ASIAN = (
    re.compile(rf"(?P<name>{HAN}{{1,4}}|{KATAKANA}{{2,8}})(?:さん|さま|様|氏)(?!ん)"),
    re.compile(
        rf"(?:私は|わたしは|名前は|申します[、。]?|こちらは)(?P<name>{HAN}{{2,5}}|{KATAKANA}{{2,10}})(?=です|と申|とい)"
    ),
    re.compile(rf"(?P<name>{HAN}{{2,5}}|{KATAKANA}{{2,10}})と(?:申|もう)し"),
    re.compile(rf"(?:我叫|我是|我的名字是|名字叫|我姓)(?P<name>{HAN}{{2,4}}?)(?=[，。,.!！\s]|$|先生|女士|想|要|在)"),
    re.compile(rf"(?P<name>[王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾萧田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦方白邹孟熊秦邱江尹薛]{HAN}{{0,2}})(?:先生|女士|小姐|太太)"),
    re.compile(r"(?P<name>[\uac00-\ud7a3]{2,4})\s?(?:씨|님|입니다|이라고|라고)"),
    re.compile(r"(?:ชื่อ)\s?(?P<name>[\u0e00-\u0e7f]{2,20}?)(?=ครับ|ค่ะ|คะ|\s|$)"),
)  # fmt: skip
NO_JAPANESE_NAME = frozenset(
    [
        "客",
        "皆",
        "母",
        "父",
        "兄",
        "姉",
        "奥",
        "娘",
        "息子",
        "医者",
        "看護師",
        "業者",
        "店員",
        "神",
        "王",
        "お客",
    ]
)
SO_MANY = re.compile(r"[〇一二三四五六七八九十百千何数]+[名人]?")  # `三名様` are three people
NO_NAMES_FOLLOW = re.compile(
    r"(?:in|on|by|since|until|till|of|next|last|this|early|late|mid|every|from|to|before|after)\s+$",
    re.IGNORECASE,
)
RELAXED = re.compile(r"[\u0590-\u06ff\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
CYRILLIC = re.compile(r"[а-яё]", re.IGNORECASE)


# ---------------------------------------------------------------- said in a conversation


def names_said(texts: Iterable[str]) -> list[str]:
    """Names by which the people in a conversation call themselves or each other."""
    found: dict[str, None] = {}
    for text in texts:
        for name in (*_after_a_cue(text), *_written_as_names(text), *_east_asian(text)):
            found.setdefault(name, None)
    return list(found)


def _after_a_cue(text: str) -> Iterator[str]:
    has_capitals = text != text.lower()
    for cue in CERTAIN.finditer(text):
        rest = text[cue.end() :]
        written = re.match(FULL, rest)
        if written is not None:
            yield from _acceptable(written[0])
        elif (said := re.match(SAID, rest)) is not None:
            more = "" if has_capitals else rest[said.end() :]
            yield from _acceptable(said[0])
            if (second := re.match(rf"\s+({SAID})", more)) is not None:
                yield from _acceptable(second[1])


def _written_as_names(text: str) -> Iterator[str]:
    for title in TITLE.finditer(text):
        yield title["name"]  # whatever else the word may mean: `Mr. White`
    for speaking in SPEAKING.finditer(text):
        yield from _acceptable(speaking["name"])
    for addressed in ADDRESSED.finditer(text):
        yield from _acceptable(addressed["name"])
    for cue in PERHAPS.finditer(text):
        name = re.match(FULL, text[cue.end() :])
        if name is None:
            continue
        several = len(name[0].split()) > 1
        goes_on = WHO_GOES_ON.match(text[cue.end() + name.end() :]) is not None
        said = cue[0].casefold()
        if several and said.startswith(ABOUT_OTHERS):
            several = goes_on  # `speak with State Farm people`
        if several or (goes_on and not said.startswith((*ABOUT_OTHERS, *SEVERAL_FOLLOW))):
            yield from _acceptable(name[0])
    if text == text.lower():
        for said in UNWRITTEN.finditer(text):
            yield from _acceptable(said["name"])
        for title in UNWRITTEN_TITLE.finditer(text):
            yield from _acceptable(title["name"])


def _acceptable(name: str) -> Iterator[str]:
    """Not a word that anybody says: `this is Monday`, `my name is not important`."""
    words = [word.strip("'\u2019-.") for word in name.split()]
    while words and (words[-1].casefold() in PARTICLES or _is_ordinary(words[-1])):
        if len(words) == 1:
            break
        words = words[:-1]
    if words and not (len(words) == 1 and _is_ordinary(words[0])):
        yield " ".join(words)


def _is_ordinary(word: str) -> bool:
    return word.casefold() in ORDINARY_WORDS


def _east_asian(text: str) -> Iterator[str]:
    for pattern in EAST_ASIAN:
        for match in pattern.finditer(text):
            if match["name"] not in NO_JAPANESE_NAME and not SO_MANY.fullmatch(match["name"]):
                yield match["name"]


# ---------------------------------------------------------------- taken out


def without_names(text: str, names: Sequence[str]) -> str:
    """The text with a placeholder for each of these names, whole and in parts.

    A part that is an ordinary word as well (`Price`, `May`) goes only where it is written as a name.
    """
    text = SPELLED.sub(NAME, text)
    whole = sorted({" ".join(name.split()) for name in names}, key=len, reverse=True)
    for name in whole:
        text = _without_whole(text, name)
    parts = {part for name in whole for part in _parts(name)}
    for part in sorted(parts, key=len, reverse=True):
        text = _without_part(text, part)
    return re.sub(r"\[name\](?:(?:\s+|-)\[name\])+", NAME, text)


def without_companies(text: str, companies: Sequence[str]) -> str:
    """Of `Bank of the West` every word is everybody's: it goes as a whole or not at all."""
    for name in sorted(set(companies), key=len, reverse=True):
        words = name.split()
        if len(words) > 1:
            text = re.sub(_bounded(_spaced(words)), NAME, text, flags=re.IGNORECASE)
        elif words and not _is_ordinary(words[0]):
            text = re.sub(_bounded(re.escape(words[0])), NAME, text)
    return text


def _without_whole(text: str, name: str) -> str:
    words = name.split()
    if len(words) < 2 or all(_is_ordinary(word) or word.casefold() in PARTICLES for word in words):
        return text if len(words) < 2 else re.sub(_bounded(_spaced(words)), NAME, text)
    return re.sub(_bounded(_spaced(words)), NAME, text, flags=re.IGNORECASE)


def _spaced(words: Sequence[str]) -> str:
    return r"\s+".join(re.escape(word) for word in words)


def _parts(name: str) -> Iterator[str]:
    words = [word.strip(".,;'\u2019\"()") for word in name.split()]
    for word in words:
        if word.casefold() in PARTICLES or not word or word.isdigit():
            continue
        if len(word) > 1 or RELAXED.search(word):
            yield word
        if "-" in word:
            yield from (part for part in word.split("-") if len(part) > 2)
        if re.fullmatch(rf"{HAN}{{4,5}}", word):
            yield word[:2]  # the family's name, by which people are addressed


def _without_part(text: str, part: str) -> str:
    if not _is_ordinary(part):
        return re.sub(_bounded(re.escape(part)), NAME, text, flags=re.IGNORECASE)
    as_name = _bounded(re.escape(part[:1].upper() + part[1:].lower()))
    return re.sub(as_name, lambda match: _unless_ordinary(text, match), text)


def _unless_ordinary(text: str, match: re.Match[str]) -> str:
    """`In May`, and the first word of a sentence, may be no name at all."""
    before, after = text[: match.start()], text[match.end() :]
    begins = not before.strip() or before.rstrip()[-1] in ".!?:"
    begins = begins and ABBREVIATED_TITLE.search(before) is None
    is_date = NO_NAMES_FOLLOW.search(before) or re.match(r"\s+\d", after)
    return match[0] if begins or is_date else NAME


def _bounded(pattern: str) -> str:
    if RELAXED.search(pattern):
        return pattern  # no spaces between words, or prefixes written with them
    end = r"\w{0,3}" if CYRILLIC.search(pattern) else r""  # names are inflected
    return rf"(?<!\w){pattern}{end}(?!\w)"
