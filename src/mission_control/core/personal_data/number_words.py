"""Numbers that are spelled out, digit by digit or in tens, in the languages of our callers."""

import re

FEWESTDIGITS = 5  # `twenty twenty six` is a year


def _words(text: str) -> list[str]:
    return text.split()


DIGITS = _words("""
zero oh nought one two three four five six seven eight nine null eins zwei zwo drei vier fünf
fuenf sechs sieben acht neun cero uno una dos tres cuatro cinco seis siete ocho nueve zéro un deux
trois quatre cinq sept huit neuf due tre quattro cinque sei sette otto nove um uma dois duas
quatro sete oito nul een één twee drie vijf zes zeven negen ноль нуль один два три четыре пять
шесть семь восемь девять três
""")
_TENS = _words("""
twenty thirty forty fourty fifty sixty seventy eighty ninety zwanzig dreißig dreissig vierzig
fünfzig sechzig siebzig achtzig neunzig veinte treinta cuarenta cincuenta sesenta setenta ochenta
noventa vingt vingts trente quarante cinquante soixante septante huitante nonante venti trenta
quaranta cinquanta sessanta settanta ottanta novanta vinte trinta quarenta cinquenta sessenta
oitenta twintig dertig veertig vijftig zestig zeventig tachtig negentig двадцать тридцать сорок
пятьдесят шестьдесят семьдесят восемьдесят девяносто
""")
_TEENS = _words("""
ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen zehn elf zwölf
dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn diez once doce trece catorce quince
dieciséis dieciseis diecisiete dieciocho diecinueve veintiuno veintidós veintidos veintitrés
veintitres veinticuatro veinticinco veintiséis veintiseis veintisiete veintiocho veintinueve dix
onze douze treize quatorze quinze seize dieci undici dodici tredici quattordici quindici sedici
diciassette diciotto diciannove dez doze treze catorze dezesseis dezasseis dezessete dezassete
dezoito dezenove dezanove tien twaalf dertien veertien vijftien zestien zeventien achttien
negentien десять одиннадцать двенадцать тринадцать четырнадцать пятнадцать шестнадцать семнадцать
восемнадцать девятнадцать
""")
_REPEATS = {
    **dict.fromkeys(("double", "doppel", "doble", "doppio", "dubbel", "deux fois"), 1),
    **dict.fromkeys(("triple", "dreifach", "triplo", "tripel"), 2),
}
_GERMAN_UNITS = "ein|zwei|drei|vier|fünf|sechs|sieben|acht|neun"
_DUTCH_UNITS = "een|één|twee|drie|vier|vijf|zes|zeven|acht|negen"
_ITALIAN_UNITS = "uno|due|tre|tré|quattro|cinque|sei|sette|otto|nove"
_COMPOUND = re.compile(
    rf"(?:{_GERMAN_UNITS})und(?:zwanzig|drei(?:ß|ss)ig|vierzig|fünfzig|sechzig|siebzig|achtzig|neunzig)"
    rf"|(?:{_DUTCH_UNITS})[eë]n(?:twintig|dertig|veertig|vijftig|zestig|zeventig|tachtig|negentig)"
    rf"|(?:vent|trent|quarant|cinquant|sessant|settant|ottant|novant)[ia]?(?:{_ITALIAN_UNITS})"
)
_ONE = dict.fromkeys(DIGITS, 1)
_TWO = dict.fromkeys((*_TENS, *_TEENS), 2)
_CONNECTIONS = frozenset({"y", "e", "et", "und", "en", "and"})
_WORD = re.compile(r"[^\W\d_]+|\d+")
# Digits of scripts that put no spaces between words.
_IDEOGRAPHS = re.compile(
    r"(?:[〇零一二三四五六七八九幺壱弐参]|ゼロ|れい|いち|さん|よん|ご|ろく|なな|はち|きゅう)"
    r"(?:[\s、,の・-]?(?:[〇零一二三四五六七八九幺壱弐参]|ゼロ|れい|いち|さん|よん|ご|ろく|なな|はち|きゅう)){4,}"
)
_THAI = re.compile(r"(?:(?:ศูนย์|หนึ่ง|สอง|สาม|สี่|ห้า|หก|เจ็ด|แปด|เก้า)[\s,-]*){5,}")


def without_spelled_numbers(text: str, placeholder: str) -> str:
    """A placeholder for each run of number words that make five digits or more."""
    text = _IDEOGRAPHS.sub(placeholder, text)
    text = _THAI.sub(placeholder, text)
    for start, end in reversed(list(_runs(text))):
        text = text[:start] + placeholder + text[end:]
    return text


def _runs(text: str) -> list[tuple[int, int]]:
    """Start and end of each long enough run of number words, with nothing else between them."""
    found: list[tuple[int, int]] = []
    run: list[re.Match[str]] = []
    for word in _WORD.finditer(text):
        is_next = not run or not text[run[-1].end() : word.start()].strip(" \t\n,.;-\u2010\u2013")
        if _is_number(word[0]) or (run and word[0].casefold() in _CONNECTIONS):
            if not is_next:
                found += _long_enough(run)
                run = []
            run.append(word)
        else:
            found += _long_enough(run)
            run = []
    return found + _long_enough(run)


def _is_number(word: str) -> bool:
    known = word.casefold()
    return (
        word.isdigit()
        or known in _ONE
        or known in _TWO
        or known in _REPEATS
        or _COMPOUND.fullmatch(known) is not None
    )


def _long_enough(run: list[re.Match[str]]) -> list[tuple[int, int]]:
    while run and run[-1][0].casefold() in _CONNECTIONS:
        run = run[:-1]
    has_words = any(not word[0].isdigit() for word in run)
    is_long = has_words and _digits_in([word[0].casefold() for word in run]) >= FEWESTDIGITS
    return [(run[0].start(), run[-1].end())] if is_long else []


def _digits_in(words: list[str]) -> int:
    """`forty one` is two digits, and `double one` is two as well; several `and`s are a list."""
    digits, after_tens = 0, False
    if sum(word in _CONNECTIONS for word in words) > len(words) // 3:
        return 0
    for word in words:
        if word in _CONNECTIONS:
            continue
        is_unit = word in _ONE
        digits += 0 if is_unit and after_tens else _length_of(word)
        after_tens = word in _TENS
    return digits


def _length_of(word: str) -> int:
    if word.isdigit():
        return len(word)
    if word in _REPEATS:
        return _REPEATS[word]
    return _ONE.get(word) or 2
