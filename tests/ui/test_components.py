"""The parts of pages: numbers, words and differences as text."""

from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mission_control.core import safe_yaml
from mission_control.core.words import (
    AgentStatus,
    AgentType,
    CallEnding,
    CallSource,
    DeploymentStatus,
    DeploymentTarget,
    DriftState,
    EvaluationPurpose,
    JobStatus,
    LeadMatch,
    ScenarioStatus,
    SyncStatus,
    SyncSystem,
    Verdict,
)
from mission_control.ui.components import badges, call_totals, drift, figures, syncing
from mission_control.ui.components.drafts import reviewed
from mission_control.ui.components.prompt_diff import diff_rows
from tests.builders import a_playbook, a_scenario


class TestFigures:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (figures.share(0.4375), "43.8%"),
            (figures.share(1.0), "100%"),
            (figures.share(0.0), "0%"),
            (figures.points(0.125), "+12.5 points"),
            (figures.points(-0.5), "-50 points"),
            (figures.signed(-0.0001), "0"),
            (figures.interval(-0.031, 0.219), "-3.1 to +21.9"),
            (figures.chance(0.0004), "< 0.001"),
            (figures.chance(0.0312), "0.031"),
            (figures.money(Decimal("0.0042")), "$0.0042"),
            (figures.money(Decimal("12.5")), "$12.50"),
            (figures.duration(412.3), "412 ms"),
            (figures.duration(1_250), "1.2 s"),
            (figures.runs(1, 3), "1 scenario × 3 repetitions"),
            (figures.clock(65.4), "1:05"),
            (figures.clock(3_600), "1:00:00"),
            (figures.clock(None), "—"),
        ],
    )
    def test_are_told_with_their_unit(self, text: str, expected: str) -> None:
        assert text == expected

    def test_what_was_not_measured_is_never_a_zero(self) -> None:
        for text in (
            figures.share(None),
            figures.points(None),
            figures.interval(None, 0.5),
            figures.chance(None),
            figures.score(None),
            figures.duration(None),
            figures.money(None, measured=False),
            figures.moment(None),
        ):
            assert text == "—"
        assert figures.money(None) == "unpriced"


class TestBadges:
    @pytest.mark.parametrize(
        ("words", "labels"),
        [
            (AgentStatus, badges.AGENTS),
            (AgentType, badges.TYPES),
            (DeploymentStatus, badges.DEPLOYMENTS),
            (DeploymentTarget, badges.TARGETS),
            (EvaluationPurpose, badges.PURPOSES),
            (JobStatus, badges.RUNS),
            (ScenarioStatus, badges.SCENARIOS),
            (Verdict, badges.VERDICTS),
            (DriftState, badges.DRIFT),
            (DriftState, drift.MEANING),
            (CallEnding, badges.ENDINGS),
            (CallEnding, call_totals.COLORS),
            (CallSource, badges.SOURCES),
            (LeadMatch, badges.MATCHES),
            (SyncStatus, badges.SYNCS),
            (SyncSystem, syncing.NAMES),
        ],
    )
    def test_every_word_has_its_label(
        self, words: type[StrEnum], labels: dict[object, object]
    ) -> None:
        assert set(words) <= set(labels)

    def test_text_of_others_is_no_markup(self) -> None:
        said = badges.plain("**bold** :red[x] [a](b) $y$ <i> :smile:")
        assert said == r"\*\*bold\*\* \:red\[x\] \[a\](b) \$y\$ \<i\> \:smile:"

    def test_a_sentence_stays_as_it_is(self) -> None:
        sentence = "Better: the pass rate went from 25% to 87.5%, +62.5 points (p = 0.002)."
        assert badges.plain(sentence) == sentence

    def test_the_stand_in_model_says_what_it_is(self) -> None:
        assert "SANDBOX" in badges.model("openai/sandbox-1")
        assert "SANDBOX" not in badges.model("openai/gpt-4o-mini")


class TestPromptDiff:
    DIFF = "--- version 1\n+++ version 2\n@@ -3,2 +3,2 @@\n same\n-Be brief.\n+Be very brief."

    def test_changed_words_are_marked(self) -> None:
        rows = list(diff_rows(self.DIFF))
        assert "from line 3" in rows[0]
        assert [row.split('"')[1] for row in rows] == ["place", "", "removed", "added"]
        assert "<b> very</b>" in rows[3]

    @given(st.text(alphabet="<>&\"'+-@ ab\n"), st.text(alphabet="<>&\"'+-@ ab\n"))
    def test_no_text_becomes_an_element(self, before: str, after: str) -> None:
        import difflib

        lines = difflib.unified_diff(before.split("\n"), after.split("\n"), "a", "b", lineterm="")
        for row in diff_rows("\n".join(lines)):
            inside = row[row.index(">") + 1 : row.rindex("<")]
            assert "<" not in inside.replace("<b>", "").replace("</b>", "")


class TestDrafts:
    PLAYBOOK = a_playbook(
        scenarios=[a_scenario("kept"), a_scenario("one", draft=True), a_scenario("two", draft=True)]
    )

    @staticmethod
    def drafts(playbook: str) -> dict[str, bool]:
        document: Any = safe_yaml.load(playbook)
        scenarios = document["spec"]["feature_specifications"]["scenarios"]
        return {each["name"]: each.get("draft", False) for each in scenarios}

    def test_what_is_taken_counts_from_then_on(self) -> None:
        taken = reviewed(self.PLAYBOOK, {"one"}, take=True)
        assert self.drafts(taken) == {"kept": False, "one": False, "two": True}

    def test_what_is_thrown_away_is_gone_and_the_rest_untouched(self) -> None:
        left = reviewed(self.PLAYBOOK, {"one", "two"}, take=False)
        assert self.drafts(left) == {"kept": False}
        assert reviewed(left, set(), take=True) == left
