"""One text, many spellings: what counts as said, whoever wrote it and however it was typed."""

import re
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mission_control_protocol.spelling import (
    folded,
    has_no_spaces,
    mentions,
    plain,
    plain_pattern,
    same,
)

SAID: list[tuple[str, str]] = [
    # text without spaces, and particles that are part of the word
    ("我们的价格是每月四十九美元。", "价格"),
    ("必ず返金を保証します。", "返金"),
    ("東京の営業所におつなぎします。", "営業所"),
    ("ราคาคือสี่สิบเก้าดอลลาร์", "ราคา"),
    ("환불을 보장합니다", "환불"),
    ("전액환불 가능합니다", "환불"),
    ("iPhoneをお求めですか", "iphone"),
    ("価格は49ドルです", "49"),
    ("हिन्दी में बात करें", "हिन्दी"),
    # invisible characters, hyphens, quotation marks, spaces
    ("The part is `axle.unit:\u200baxle-kit`.", "axle.unit:axle-kit"),
    ("We offer free can\u00adcel\u00adlation.", "free cancellation"),
    ("no\u2060break", "nobreak"),
    ("We will send a follow\u2011up message.", "follow-up"),
    ("We will send a follow-up message.", "follow\u2010up"),
    ("It is \u22125 outside.", "-5"),
    ("Open 9–5 on weekdays.", "9-5"),
    ("I’m sorry, we can’t.", "can't"),
    ("I can´t do that.", "can't"),
    ("I canʼt do that.", "can't"),
    ("It is 5′ tall.", "5'"),
    ("Call\u00a0us\u202fnow", "call us now"),
    ("wait… what", "wait..."),
    ("Ｆｕｌｌ－ｗｉｄｔｈ", "full-width"),
    ("We ﬁnish today.", "finish"),
    ("Done ✔️", "✔"),
    # case and accents
    ("Das Cafe\u0301 ist offen.", "Café"),
    ("Das Café ist offen.", "cafe"),
    ("İSTANBUL ofisi", "istanbul"),
    ("Die STRASSE ist frei.", "Straße"),
    ("ΟΔΟΣ", "οδος"),
    # what a voice never speaks
    ("You are on the **do not call** list now.", "do not call list"),
    ("It is on the _do not call list_ now.", "do not call list"),
    ("We give a __guarantee__.", "guarantee"),
    ("It is un**believ**able.", "unbelievable"),
    ("# Prices\n- first\n- second", "prices first second"),
    ("~~no~~ refund", "no refund"),
    ("这是**重要**的", "这是重要的"),
    # numbers
    ("It costs **$49** a month.", "$49"),
    ("It costs $49.00 a month.", "$49"),
    ("It costs $49.", "$49"),
    ("It costs $1,500.", "$1500"),
    ("It costs 1\u202f500 francs.", "1,500"),
    ("Das macht 1'500 Franken.", "1500"),
    ("٤٩ دولار", "49"),
    ("from 20,000-30,000 a year", "30000"),
    ("Open 9-5 daily", "5"),
    ("Call +15550107788 now.", "+15550107788"),
    # words
    ("Acme's price", "Acme"),
    ("Acme™ price", "acme"),
    ("I can do that", "can"),
    ("(follow up)", "follow up"),

    # marks, letters and figures of other scripts
    ("נשמח לעזור, בית־ספר", "בית-ספר"), ("שָׁלוֹם לך", "שלום"), ("צה״ל", 'צה"ל'),
    ("نَضْمَنُ الاِسْتِرْدَاد", "نضمن"), ("أحمد هنا", "احمد"), ("ﻣﺮﺣﺒﺎ", "مرحبا"),
    ("السعر ٤٩٫٩٩", "49.99"), ("١٬٥٠٠ نقطة", "1500"), ("20٪", "20%"),
    ("យើងធានាសងប្រាក់វិញ", "សងប្រាក់"), ("ພວກເຮົາຮັບປະກັນການຄືນເງິນ", "ຄືນເງິນ"), ("ငွေပြန်အမ်းမည်", "ပြန်အမ်း"),
    ("\u1112\u116a\u11ab\u1107\u116e\u11af\u110b\u1173\u11ab", "환불"), ("ｶﾀｶﾅ", "カタカナ"), ("返\n金", "返金"),
    ("Giá là bo\u0302\u0301n mươi", "bốn mươi"), ("DIŞARI", "dışarı"), ("KAPALI", "kapalı"), ("ΣΊΣΥΦΟΣ", "σίσυφος"),
    ("STRAẞE", "straße"), ("Москва\u0301", "Москва"), ("৪৯ টাকা", "49"), ("退款。", "退款."),
    # money, thousands, decimals, percentages
    ("Das kostet €49,99.", "49,99 €"), ("49,99 €", "€49.99"), ("€1.500", "€1500"), ("1.500 Euro im Jahr", "1500"),
    ("1.500,50 €", "1500.50"), ("1.500,00 €", "1500"), ("1 500 €", "1500"), ("1 234 567 points", "1,234,567"),
    ("12 345,67", "12345.67"), ("$ 49", "$49"), ("49 $", "$49"), ("￥５０００", "¥5000"), ("₹1,50,000", "150000"),
    ("CHF 1’500.–", "1500"), ("20 %", "20%"), ("20%", "20 %"), ("$49-$99", "$99"), ("49-99", "99"), ("$.50", "$0.50"),
    ("options 1,2,3", "2"), ("49,00 €", "49"), ("a 21 °C room", "21°C"),
    # fractions, times, telephone numbers, ranges
    ("2½ hours", "2 1/2"), ("2½ hours", "2.5"), ("½ an hour", "0.5"), ("1⁄2", "1/2"), ("⅓ off", "1/3"),
    ("3pm", "3 p.m."), ("at 10:30pm", "10:30"), ("10：30", "10:30"), ("2026-11-27", "2026"), ("27.11.2026", "27.11.2026"),
    ("+1 555 010 7788", "+15550107788"), ("(555) 010-7788", "555.010.7788"), ("+15550107788", "555-010-7788"),
    ("5—10", "5-10"), ("5〜10", "10"), ("the 1st", "1st"), ("1️⃣ first", "1"),
    # marks that nobody speaks
    ("Visit [our site](https://x.example/book) now", "our site now"), ("[Book](https://x.example/book)", "https://x.example/book"),
    ("![A map](map.png)", "a map"), ("Heading\n=======\ntext", "heading text"), ("- [ ] call", "call"),
    ("do **not **call", "do not call"), ("do **not call", "do not call"), ("re<b>fund</b>", "refund"),
    ('Wait <break time="1s"/> now', "wait now"), ("do&nbsp;not call", "do not call"), ("AT&amp;T", "AT&T"),
    ("do \\\nnot", "do not"), ("do not  \ncall", "do not call"), ("> do not\n> call", "do not call"),
    ("👍🏽 yes", "👍"), ("❤️", "❤"), ("wait.. what", "wait"), ("Œuvre", "oeuvre"), ("re\u034ffund", "refund"),
    ("1,500, or more", "1500"),
    ("[a map](https://x.example/z_(q)) here", "a map here"),
    ("น้ำ", "นํ้า"),
    ("wait⋯ what", "wait..."),
]  # fmt: skip
NOT_SAID = [
    ("It costs $49.99 a month.", "$49"),
    ("It costs $490.", "$49"),
    ("You have 1,500 points.", "500"),
    ("You have 1.500,00 Euro.", "500"),
    ("It is -5 outside.", "5"),
    ("It is \u22125 outside.", "5"),
    ("We take -$5 off.", "$5"),
    ("Open 9-5 daily", "-5"),
    ("at 10:30 sharp", "10"),
    ("149%", "49%"),
    ("ten is 10², they say", "102"),
    ("version 1.10", "1.1"),
    ("The ZIP is 02134.", "2134"),
    ("I can't do that", "can"),
    ("I can’t do that", "can"),
    ("cannot", "can"),
    ("do_not_call", "call"),
    ("5*4*3", "543"),
    ("forty nine dollars", "$49"),
    ("が", "か"),
    ("हिन्दी", "हिन"),

    ("السعر ٤٩٫٩٩", "49"), ("١٬٥٠٠ نقطة", "500"), ("הספר", "ספר"), ("й", "и"), ("ヴ", "ブ"), ("ข้า", "ขา"),
    ("€1.500 im Jahr", "500"), ("1 500 €", "500"), ("1 234 567 points", "567"), ("€49,99", "€49"), ("49,99 €", "€49"),
    ("$.50", "50"), ("1.20%", "20%"), ("120 %", "20%"), ("US$1,499", "$1"), ("-5 €", "5 €"), ("-€5", "€5"),
    ("2½ hours", "2"), ("2 1/2 hours", "1/2"), ("11/2 hours", "1/2"), ("1/2 hour", "2"),
    ("the 1st", "1"), ("the 21st", "1st"), ("#10", "#1"), ("v1.2.3", "1.2"), ("27.11.2026", "27.11"),
    ("at 10:30:15", "10:30"), ("3:30 pm", "3 pm"), ("+1 555 010 7789", "+15550107788"), ("-1234567", "1234567"),
    ("[our site](https://x.example/book)", "example book now"), ("2**3 is 8", "23"), ("5-10", "-10"), ("$49-99", "-99"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), SAID)
def test_is_said(text: str, value: str) -> None:
    assert mentions(text, value)


@pytest.mark.parametrize(("text", "value"), NOT_SAID)
def test_is_not_said(text: str, value: str) -> None:
    assert not mentions(text, value)


def test_a_spoken_form_is_the_value_where_it_is_declared() -> None:
    spoken = {"$49": ["forty nine dollars", "forty-nine dollars"]}
    assert mentions("It is Forty-Nine dollars a month", "$49", spoken)
    assert mentions("It is $49 a month", "forty nine dollars", spoken)
    assert same("It is forty nine dollars", "it is $49", spoken)
    assert not mentions("It is one hundred forty nine dollarsworth", "$49", spoken)


def test_exactly_the_same_text_in_other_spelling() -> None:
    assert same(" Positive \n", "positive")
    assert same("I’m **sure**", "I'm sure")
    assert not same("I'm sure.", "I'm sure")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("I'm sorry", "I’m sorry"),
        ("I’m sorry", "I'm sorry"),
        (r"I\u2019m sorry", "I’m sorry"),
        ("Call us", "Call\u00a0us"),
        (r"^do not call$", "**do not call**"),
        ("wait…$", "wait..."),
        ("[a–z]", "-"),
        (r"（now）", "(now)"),
    ],
)
def test_a_pattern_is_read_in_the_typography_that_it_sees(pattern: str, text: str) -> None:
    assert re.search(plain_pattern(pattern), plain(text))


def test_a_pattern_keeps_its_meaning() -> None:
    assert (
        plain_pattern(r"^(?!.*\bno\b)[a-z]{2,3}\d+\\u2019$")
        == r"^(?!.*\bno\b)[a-z]{2,3}\d+\\u2019$"
    )
    assert not re.search(plain_pattern("[a–z]"), "m")
    assert not re.search(plain_pattern("wait…$"), "waiting")
    assert re.search(plain_pattern("Café"), plain("Cafe\u0301"))
    assert not re.search(plain_pattern("Café"), plain("Cafe"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我们的价格是每月四十九美元", True),
        ("料金は月額四十九ドルです", True),
        ("ราคาคือ", True),
        ("환불을 보장합니다", False),
        ("The price is 49 dollars", False),
        ("我们 sell many different things", False),
        ("", False),
        ("49", False),
    ],
)
def test_knows_text_without_spaces(text: str, expected: bool) -> None:
    assert has_no_spaces(text) is expected


# ---------------------------------------------------------------- whatever the text is

WORDS = st.lists(
    st.sampled_from(
        [
            "do not",
            "call",
            "$49.99",
            "1,500",
            "-5",
            "10:30",
            "can't",
            "café",
            "follow-up",
            "返金",
            "환불",
            "5'",
            "9-5",
        ]
    ),
    min_size=1,
    max_size=6,
).map(" ".join)
REWRITINGS: list[Callable[[str], str]] = [
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: text.upper(),
    lambda text: text.replace("'", "’"),
    lambda text: text.replace("'", "ʼ"),
    lambda text: text.replace("-", "\u2011"),
    lambda text: text.replace(" ", "\u00a0"),
    lambda text: text.replace(" ", "  \n"),
    "\u200b".join,
    lambda text: f"**{text}**",
    lambda text: f"_{text}_",
    lambda text: f"- {text}",
    lambda text: f"## {text}",
    lambda text: f"> {text}",
    lambda text: f"`{text}`",
    lambda text: f"```text\n{text}\n```",
    lambda text: f"[{text}](https://example.com/a)",
    lambda text: text.translate({ord(digit): 0xFF10 + int(digit) for digit in "0123456789"}),
    lambda text: text.translate({ord(digit): 0x0660 + int(digit) for digit in "0123456789"}),
    lambda text: text.replace("$", "＄"),
    lambda text: unicodedata.normalize("NFKD", text),
    lambda text: text.replace(" ", " <break/> "),
    lambda text: text.replace(" ", "&nbsp;"),
]


@given(text=WORDS, value=WORDS, rewriting=st.sampled_from(REWRITINGS))
def test_rewriting_either_side_changes_no_answer(
    text: str, value: str, rewriting: Callable[[str], str]
) -> None:
    expected = mentions(text, value)
    assert mentions(rewriting(text), value) is expected
    assert mentions(text, rewriting(value)) is expected


@given(text=st.text(max_size=200))
def test_folding_never_fails_and_leaves_nothing_invisible(text: str) -> None:
    plain_pattern(text)
    assert "\u200b" not in folded(f"{text}\u200b")
    assert folded(text) == " ".join(folded(text).split())


@given(text=st.text(alphabet="*_`~# -a1\n", max_size=400))
def test_marks_without_meaning_do_not_make_it_slow_or_fail(text: str) -> None:
    assert isinstance(folded(text), str)
