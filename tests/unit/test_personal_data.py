"""Nothing personal gets into a draft, and no ordinary word is lost."""

from collections import Counter
from typing import Any

import pytest

from mission_control.api.optimize.search import shown_to_the_search
from mission_control.core.personal_data import names_said, redacted
from mission_control.core.playbook import parse_playbook
from mission_control.integrations.vapi.drafts import drafts
from mission_control.integrations.vapi.playbook import playbook_of_assistant
from tests.builders import a_playbook
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


@pytest.mark.parametrize(
    ("said", "redacted_text"),
    [
        ("iban be68 5390 0754 7034 please", "iban [account] please"),
        ("it is NO93 8601 1117 947 now", "it is [account] now"),
        ("SA03 8000 0000 6080 1016 7519", "[account]"),
        ("BR18 0036 0305 0000 1000 9795 493C 1", "[account]"),
        ("mt84 malt 0110 0001 2345 mtlc ast0 01s", "[account]"),
        ("D E 8 9 3 7 0 4 0 0 4 4 0 5 3 2 0 1 3 0 0 0", "[account]"),
        ("amex 3782 822463 10005", "amex [card]"),
        ("my ssn ends in 6789", "my ssn ends in [number]"),
        ("SSN one twenty three forty five sixty seven eighty nine", "SSN [number]"),
        ("one two three, four five, six seven eight nine", "[number]"),
        ("a n a at gmail dot com", "[e-mail]"), ("sip:ana@pbx.example.com", "sip:[e-mail]"),
        ("call 1-800-FLOWERS or (0)20 7946 0000", "call [number] or [number]"),
        ("Anna Kowalska speaking", "[name] speaking"), ("this is dr. smith's place", "this is dr. [name]'s place"),
        ("I'm calling for John Peterson", "I'm calling for [name]"),
        ("my husband Giorgos, and my wife", "my husband [name], and my wife"),
        ("Dobrý den, jmenuji se Jan Novák", "Dobrý den, jmenuji se [name]"), ("اسمي محمد", "اسمي [name]"),
        *((each, each) for each in (
            "be68 trucks and no account", "at 10 am it is done in 30 minutes or 45", "AB 12 is a lane",
            "my wife and my husband", "I want to speak with State Farm people", "calling for a quote",
        )),
    ],
)  # fmt: skip
def test_in_other_forms(said: str, redacted_text: str) -> None:
    assert redacted(said, names_said([said])) == redacted_text


class TestWhatAnOptimizerSees:
    def shown(self, name: str, *tags: str) -> str:
        said = {"caller_says": "My name is Guadalupe Ortiz, card 4111 1111 1111 1111."}
        scenario = {
            "name": name, "split": "train", "tags": list(tags), "input": said,
            "expected_output": {"reply": "Thank you, Guadalupe."},
            "checks": [{"contains": ["Guadalupe"]}],
        }  # fmt: skip
        playbook = parse_playbook(a_playbook("ada", scenarios=[scenario]))
        [seen] = shown_to_the_search("ada", playbook, "train")
        return str(seen.model_dump())

    @pytest.mark.parametrize(
        ("name", "tag"), [("corrected", "call"), ("call_20261122_01", "checked")]
    )
    def test_nothing_personal_of_a_call(self, name: str, tag: str) -> None:
        """A reviewer may have put it back in, or have pasted more."""
        text = self.shown(name, tag)
        assert "Guadalupe" not in text
        assert "4111" not in text
        assert text.count("[name]") == 3  # in what was said, in the reply, in the check

    def test_what_somebody_wrote_is_as_it_was(self) -> None:
        text = self.shown("written", "billing")
        assert "Guadalupe" in text
        assert "4111 1111 1111 1111" in text


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

    def test_what_another_assistant_of_a_squad_answered_is_no_example(self) -> None:
        call = a_call(("user", "what does the loan cost"), ("bot", "Five percent, in Billing."))
        for message in call["artifact"]["messages"]:
            if message["role"] == "bot":
                message["assistantId"] = "asst-billing"
        assert len([*drafts([call])]) == 1
        assert len([*drafts([call], assistant_id="asst-billing")]) == 1
        assert [*drafts([call], assistant_id="asst-front")] == []

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
