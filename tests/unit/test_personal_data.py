"""Nothing personal gets into a draft, and no ordinary word is lost."""

from collections import Counter
from typing import Any

import pytest

from mission_control.core.personal_data import names_said, redacted
from mission_control.integrations.vapi.drafts import drafts
from mission_control.integrations.vapi.playbook import playbook_of_assistant
from tests.personal_data import is_left, sentences
from tests.unit.test_vapi_playbook import a_call, an_assistant

ENOUGH = 0.98


def test_of_500_made_up_sentences_nothing_personal_is_left() -> None:
    found, left = Counter[str](), list[tuple[str, str]]()
    for each in sentences(500):
        found[each.kind] += 1
        text = redacted(each.text, names_said([each.text]))
        if is_left(each, text):
            left.append((each.text, text))
    recall = 1 - len(left) / 500
    print(f"recall {recall:.1%} of {dict(found)}; left: {left}")
    assert recall >= ENOUGH, left


@pytest.mark.parametrize(
    "said",
    [
        "what is the price of the loan in May",
        "The price of the loan is five percent of the sum.",
        "It costs 1,299.99 dollars, or 1.299,99 Euro, since 2024.",
        "We have one, two or three trucks, twenty twenty six models, from 9:30 to 11:45.",
        "This is important. I'm interested, it's Monday, and I am from Mexico.",
        "Thank you, goodbye. Okay, great. Hello, yes.",
        "My name is not important. Call me back tomorrow.",
        "Two thousand five hundred and ten dollars for seven days a week.",
        "Ich bin Kunde und habe eine Frage zum Vertrag, hier ist Montag.",
        "¿Cuánto cuesta el seguro para dos camiones en mayo?",
        "Je suis intéressé par un rendez-vous mardi à dix heures.",
        "お客様、ご予約は三名様ですか。",
        "The year 2025 or 2026, 1,000,000 miles, order A12.",
        "I will mark it, may I ask for the bill of the white house on the hill?",
        "Send it to the office at example street, dot the i.",
    ],
)
def test_no_ordinary_word_is_lost(said: str) -> None:
    companies = ["Bank of the West"]
    assert redacted(said, names_said([said]), companies) == said


@pytest.mark.parametrize(
    ("said", "people", "redacted_text"),
    [
        ("the price is fine, said Price, in May", ["May Price"], "the price is fine, said [name], in May"),
        ("Ana's brother and ANA SOUZA", ["Ana Souza"], "[name]'s brother and [name]"),
        ("von der Leyen, not von der Bahn", ["Ursula von der Leyen"], "von der [name], not von der Bahn"),
        ("передайте Иванову привет", ["Пётр Иванов"], "передайте [name] привет"),
        ("田中様、田中太郎様ですね", ["田中太郎"], "[name]様、[name]様ですね"),
        ("Is Mr. White there? White is all I see.", ["White"], "Is Mr. [name] there? White is all I see."),
        ("It is S-M-I-T-H, or J. R. R. T.", [], "It is [name], or [name]."),
        ("my cvv is 123 and the last four are 4 4 1 1", [], "my cvv is [number] and the last four are [number]"),
    ],
)  # fmt: skip
def test_names_that_are_known(said: str, people: list[str], redacted_text: str) -> None:
    assert redacted(said, people) == redacted_text


def imported(*turns: tuple[str, str], **changes: Any) -> str:
    playbook = playbook_of_assistant(an_assistant(), [a_call(*turns, **changes)])
    return str(playbook["spec"]["feature_specifications"])


class TestDrafts:
    def test_no_digit_of_card_or_account(self) -> None:
        text = imported(
            ("bot", "What is the card number?"),
            ("user", "It is 4111111111111111 expiring next May"),
            ("bot", "Thank you, I have 4111 1111 1111 1111 on file."),
            ("user", "And my account is DE89370400440532013000 please"),
            ("bot", "Noted, thank you."),
        )
        assert "[card] expiring next May" in text
        assert "my account is [account] please" in text
        for digits in ("4111", "1111", "8937", "3000"):
            assert digits not in text

    def test_a_company_takes_no_word_from_anybody(self) -> None:
        text = imported(
            ("user", "what is the price of the loan in May"),
            ("bot", "At Bank of the West the price of the loan is five percent of the sum."),
            assistantOverrides={"variableValues": {"business_name": "Bank of the West"}},
        )
        assert "what is the price of the loan in May" in text
        assert "At [name] the price of the loan is five percent of the sum." in text

    def test_names_come_from_findings_and_from_what_is_said(self) -> None:
        text = imported(
            ("user", "This is Guadalupe, does Whitcombe have it, and who is Esposito?"),
            ("bot", "Hello Guadalupe. Yes, Mr. Whitcombe has it. Nina knows Solar Plus."),
            analysis={"structuredData": {"patientName": "Ada Whitcombe", "product_name": "Solar Plus"}},
            artifact_outputs={},
        )  # fmt: skip
        assert "Guadalupe" not in text
        assert "Whitcombe" not in text
        assert "Solar Plus" in text

    def test_names_that_the_crm_knows(self) -> None:
        call = a_call(("user", "Is Esposito there today please"), ("bot", "Esposito is away."))
        [draft] = drafts([call], {call["id"]: ["Giuseppina Esposito"]})
        assert "Esposito" not in str(draft)

    @pytest.mark.parametrize(
        ("asked", "answered"),
        [
            ("営業時間を教えてください", "九時からです。"),
            ("请问你们几点开门营业", "早上九点。"),
            ("ร้านเปิดกี่โมงคะ", "เก้าโมงค่ะ"),
        ],
    )
    def test_languages_without_spaces(self, asked: str, answered: str) -> None:
        [draft] = drafts([a_call(("user", asked), ("bot", answered))])
        assert draft["input"]["caller_says"] == asked
        assert list(drafts([a_call(("user", "はい"), ("bot", answered))])) == []

    @pytest.mark.parametrize(
        "announcement",
        [
            "Your call has been forwarded to an automated voice messaging system.",
            "The person you are trying to reach is not available. At the tone, please record your message.",
            "Der Teilnehmer ist zurzeit nicht erreichbar.",
            "Deje su mensaje después del tono.",
            "Votre correspondant n'est pas disponible.",
            "おかけになった電話をお呼びしましたが、お繋ぎできませんでした。",
        ],
    )  # fmt: skip
    def test_a_machine_is_no_caller(self, announcement: str) -> None:
        assert list(drafts([a_call(("user", announcement), ("bot", "Hi, this is Remus."))])) == []

    def test_nor_is_a_call_that_ended_in_a_mailbox(self) -> None:
        call = a_call(
            ("user", "We cannot come to the phone"), ("bot", "Hi."),
            status="ended", endedReason="voicemail",
        )  # fmt: skip
        assert list(drafts([call])) == []
