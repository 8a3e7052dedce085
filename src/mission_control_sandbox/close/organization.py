"""The organization that the stand-in plays: its users, lead statuses and custom fields."""

from dataclasses import dataclass
from typing import Any, Literal

from mission_control_sandbox.world import people
from mission_control_sandbox.world.people import identifier

FieldType = Literal["text", "number", "date", "datetime", "choices", "user", "hidden"]

ORGANIZATION_ID = identifier("orga", 1)
ORGANIZATION_NAME = "Northline Commercial"
MADE_AT = "2023-01-09T15:00:00.000000+00:00"


@dataclass(frozen=True, slots=True)
class User:
    key: str
    id: str
    first_name: str
    last_name: str

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"

    @property
    def email(self) -> str:
        return f"{self.key}@northline.example"

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "display_name": self.name,
            "email": self.email,
            "image": None,
            "last_used_timezone": "America/Chicago",
            "organizations": [ORGANIZATION_ID],
            "date_created": MADE_AT,
            "date_updated": MADE_AT,
        }


@dataclass(frozen=True, slots=True)
class CustomField:
    key: str
    id: str
    name: str
    type: FieldType
    choices: tuple[str, ...] = ()
    multiple: bool = False

    def as_json(self) -> dict[str, Any]:
        definition: dict[str, Any] = {
            "id": self.id,
            "name": self.name,
            "description": None,
            "type": self.type,
            "accepts_multiple_values": self.multiple,
            "is_shared": False,
            "editable_with_roles": [],
            "back_reference_is_visible": False,
            "organization_id": ORGANIZATION_ID,
            "created_by": USERS[0].id,
            "updated_by": USERS[0].id,
            "date_created": MADE_AT,
            "date_updated": MADE_AT,
        }
        return definition | ({"choices": list(self.choices)} if self.type == "choices" else {})


def _custom_field(
    place: int,
    key: str,
    name: str,
    kind: FieldType,
    choices: tuple[str, ...] = (),
    *,
    multiple: bool = False,
) -> CustomField:
    return CustomField(key, identifier("cf", place), name, kind, choices, multiple)


_NAMES = (("Dana", "Whitfield"), ("Marcus", "Oyelaran"), ("Priya", "Raman"), ("Tomas", "Beck"))
USERS = tuple(
    User(key, identifier("user", place), *name)
    for place, (key, name) in enumerate(zip(people.STAFF, _NAMES, strict=True))
)
KEY_OWNER = USERS[0]
USERS_BY_KEY = {user.key: user for user in USERS}
USERS_BY_ID = {user.id: user for user in USERS}

STATUS_IDS = {label: identifier("stat", place) for place, label in enumerate(people.STATUSES)}
STATUS_LABELS = {status_id: label for label, status_id in STATUS_IDS.items()}
DEFAULT_STATUS_ID = STATUS_IDS[people.STATUSES[0]]

CUSTOM_FIELDS = (
    _custom_field(0, "renewal", "Renewal date", "date"),
    _custom_field(1, "trucks", "Fleet size", "number"),
    _custom_field(2, "mc_number", "MC number", "text"),
    _custom_field(3, "dot_number", "USDOT number", "number"),
    _custom_field(4, "cargo", "Cargo", "choices", people.CARGO),
    _custom_field(5, "products", "Products of interest", "choices", people.PRODUCTS, multiple=True),
    _custom_field(6, "owner", "Owner", "user"),
    _custom_field(7, "carrier", "Current carrier", "text"),
    _custom_field(8, "premium", "Annual premium", "number"),
    _custom_field(9, "last_outcome", "Last bot outcome", "choices", people.OUTCOMES),
    _custom_field(10, "last_call", "Last bot call", "datetime"),
    _custom_field(11, "source", "Lead source", "choices", people.SOURCES),
    _custom_field(12, "import_batch", "Import batch", "hidden"),
)
FIELDS_BY_ID = {field.id: field for field in CUSTOM_FIELDS}
FIELDS_BY_KEY = {field.key: field for field in CUSTOM_FIELDS}


def user_name(user_id: str | None) -> str | None:
    user = USERS_BY_ID.get(user_id or "")
    return user.name if user else None
