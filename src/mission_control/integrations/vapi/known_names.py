"""Names of the people in a call, as its data has them: the customer, variables, what was found."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from mission_control.core.json_types import JsonObject
from mission_control.integrations.vapi.call import VapiCall
from mission_control.integrations.vapi.json_fields import object_in

LONGEST_NAME = 80
DEEPEST = 6
NAMES_SOMEBODY = re.compile(
    r"name|surname|nombre|apellido|prénom|prenom|\bnom\b|cognome|sobrenome|\bnome\b|\bnaam\b|имя|фамилия|"
    r"氏名|名前|姓名|お名前|이름|ชื่อ|"
    r"^(?:caller|customer|patient|contact|guest|attendee|recipient|applicant|spouse|emergency contact)$",
    re.IGNORECASE,
)
NAMES_A_COMPANY = re.compile(
    r"business|company|organi[sz]ation|\borg\b|\bfirm|employer|practice|clinic|hospital|restaurant|hotel|"
    r"\bbank\b|\bstore\b|\bshop\b|firma|empresa|entreprise|azienda|bedrijf|unternehmen",
    re.IGNORECASE,
)
# Their names are no secret, and are made of words that everybody says.
NAMES_A_THING = re.compile(
    r"brand|product|service|plan|package|pharmacy|school|department|team|project|campaign|event|file|"
    r"domain|host|assistant|agent|\bbot\b|voice|model|tool|function|city|street|state|country|region|"
    r"location|medication|drug|course|class|room|vehicle|field|template|squad|workflow|queue|produkt",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class KnownNames:
    people: list[str]
    companies: list[str]


def names_in(raw: JsonObject) -> KnownNames:
    """As `customer`, the variables, the metadata and the findings of a call of `GET /call` have them."""
    call = VapiCall.of(raw)
    customer = object_in(raw, "customer").get("name")
    people = {customer: None} if isinstance(customer, str) else dict[str, None]()
    companies = dict[str, None]()
    for told in (call.variables, call.metadata, call.analysis, call.structured_outputs):
        for key, value in _named_values(told):
            if NAMES_A_COMPANY.search(key):
                companies[value] = None
            elif not NAMES_A_THING.search(key):
                people[value] = None
    return KnownNames(_of_some_length(people), _of_some_length(companies))


def _of_some_length(names: Iterable[str]) -> list[str]:
    return [name for each in names if (name := each.strip()) and len(name) <= LONGEST_NAME]


def _named_values(value: JsonValue, key: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Texts below a key that says that it names somebody or something, with the key in words."""
    match value:
        case dict() if depth < DEEPEST:
            for inner, each in value.items():
                yield from _named_values(each, _label(inner, value), depth + 1)
        case list() if depth < DEEPEST:
            for each in value:
                yield from _named_values(each, key, depth + 1)
        case str() if NAMES_SOMEBODY.search(key):
            yield key, value
        case _:
            pass


def _label(key: str, beside: JsonObject) -> str:
    """A structured output says what it is called beside what it found."""
    if "result" in beside and "name" in beside:
        label = beside["name"]
        key = str(label) if key == "result" else ""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_-]+", " ", key)
