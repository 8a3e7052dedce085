"""The people that both stand-ins know: truckers whose insurance comes up for renewal.

A person is a pure function of an index and of the day that the world is seen from. So Vapi and Close
tell the same story without sharing anything, and 29,000 people take no memory until they are asked for.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

PEOPLE = 29_000

STATUSES = (
    "Potential",
    "Contacted",
    "Quoted",
    "Customer",
    "Not Interested",
    "Do Not Call",
    "Wrong Number",
)
PRODUCTS = (
    "Primary Liability",
    "Physical Damage",
    "Motor Truck Cargo",
    "General Liability",
    "Occupational Accident",
)
OUTCOMES = ("Review booked", "Callback requested", "Email requested", "Voicemail", "Not interested")
CARGO = ("Dry van", "Reefer", "Flatbed", "Hot shot", "Box truck", "Tow truck")
CARRIERS = ("Great Plains Mutual", "Ironroad", "Lakeland Specialty", "Pinnacle Casualty", "Unknown")
SOURCES = ("FMCSA list", "Load board ad", "Referral", "Website form", "Trade show")
STAFF = ("dana", "marcus", "priya", "tomas")

Picked = TypeVar("Picked")


@dataclass(frozen=True, slots=True)
class OtherContact:
    """Somebody else at the same company."""

    contact_id: str
    name: str
    title: str
    phone: str
    email: str


@dataclass(frozen=True, slots=True)
class Person:
    """One lead and the trucker behind it. Times are UTC and lie before the day it is seen from.

    `phone` is E.164 and belongs to this person alone, except that about one in a hundred shares it
    with another lead, as duplicates do. `owner` is the key of one of STAFF.
    """

    index: int
    lead_id: str
    contact_id: str
    company: str
    name: str
    phone: str
    email: str
    city: str
    state: str
    zipcode: str
    timezone: str
    trucks: int
    cargo: str
    renewal: date
    status: str
    created_at: datetime
    updated_at: datetime
    mc_number: str
    dot_number: int
    products: tuple[str, ...]
    owner: str | None
    carrier: str
    source: str
    last_outcome: str | None
    premium: int | None
    other_contact: OtherContact | None


def person(index: int, *, today: date) -> Person:
    """The person with this number, as seen from `today`: the same answer in every process."""
    if index < 0:
        raise IndexError(index)
    draw = _Draw("person", index)
    city = _CITIES[_place(index) % len(_CITIES)]
    first, last = draw.pick(_FIRST_NAMES), draw.pick(_LAST_NAMES)
    company = _company(draw, last)
    domain = "".join(letter for letter in company.lower() if letter.isalnum()) + ".example"
    status = draw.weighted(STATUSES, _STATUS_SHARES)
    created_at, updated_at = times(index, today=today)
    return Person(
        index=index,
        lead_id=lead_id_of(index),
        contact_id=contact_id_of(index),
        company=company,
        name=f"{first} {last}",
        phone=_phone(index),
        email=f"{first.lower()}@{domain}",
        city=city.name,
        state=city.state,
        zipcode=f"{city.zip_prefix}{draw.below(100):02}",
        timezone=city.timezone,
        trucks=_trucks(draw),
        cargo=draw.weighted(CARGO, (45, 20, 15, 10, 6, 4)),
        renewal=today + timedelta(days=draw.below(366) - 30),
        status=status,
        created_at=created_at,
        updated_at=updated_at,
        mc_number=f"MC{200_000 + draw.below(1_300_000)}",
        dot_number=500_000 + draw.below(3_600_000),
        products=_products(draw),
        owner=draw.pick(STAFF) if draw.chance(40) else None,
        carrier=draw.pick(CARRIERS),
        source=draw.weighted(SOURCES, (70, 12, 8, 8, 2)),
        last_outcome=draw.pick(OUTCOMES) if status != "Potential" else None,
        premium=_premium(draw) if status in ("Quoted", "Customer") else None,
        other_contact=_other_contact(draw, index, domain) if has_other_contact(index) else None,
    )


def has_other_contact(index: int) -> bool:
    """Whether a second contact belongs to this person's lead."""
    return _Draw("other contact", index).chance(14)


def times(index: int, *, today: date) -> tuple[datetime, datetime]:
    """When a person's lead was created and last changed; several times cheaper than the person."""
    draw = _Draw("times", index)
    created_at = _created_at(draw, today)
    return created_at, _updated_at(draw, created_at, today)


# ---------------------------------------------------------------- ids that lead back to their index


def lead_id_of(index: int) -> str:
    return identifier("lead", index)


def contact_id_of(index: int) -> str:
    return identifier("cont", index)


def person_of_lead(lead_id: str) -> int | None:
    """The index of the person whose lead this is, or None if nobody's."""
    return index_of("lead", lead_id)


def person_of_contact(contact_id: str) -> int | None:
    """The index of the person whose contact, first or second, this is, or None if nobody's."""
    found = index_of("cont", contact_id)
    return None if found is None else found % _SECOND


def identifier(prefix: str, index: int) -> str:
    """An id as Close makes them, 43 opaque characters, from which `index_of` finds the index."""
    digest = hashlib.shake_128(f"{prefix}:{index}".encode()).digest(_OPAQUE)
    scrambled = (index * _SCRAMBLE + _SHIFT) % _CODES
    return f"{prefix}_{digest.translate(_TO_BASE62).decode()}{_base62(scrambled)}"


def index_of(prefix: str, text: str) -> int | None:
    """The index that an id was made from, or None for an id that is nobody's."""
    code = text[-_CODE_LENGTH:]
    if len(code) != _CODE_LENGTH or not set(code) <= _BASE62_SET:
        return None
    scrambled = 0
    for letter in code:
        scrambled = scrambled * 62 + _BASE62.index(letter)
    index = (scrambled - _SHIFT) * _UNSCRAMBLE % _CODES
    return index if identifier(prefix, index) == text else None


def _base62(number: int) -> str:
    letters: list[str] = []
    for _ in range(_CODE_LENGTH):
        number, digit = divmod(number, 62)
        letters.append(_BASE62[digit])
    return "".join(reversed(letters))


_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE62_SET = frozenset(_BASE62)
_TO_BASE62 = bytes(ord(_BASE62[byte % 62]) for byte in range(256))
_CODE_LENGTH, _OPAQUE = 7, 36
_CODES = 62**_CODE_LENGTH
# Odd and no multiple of 31, so that every index has a code of its own.
_SCRAMBLE, _SHIFT = 1_234_567_891_011, 271_828_182_845
_UNSCRAMBLE = pow(_SCRAMBLE, -1, _CODES)


# ---------------------------------------------------------------- when they came into the books

_BULK_IMPORTS = ((880, 43), (505, 21), (190, 14))  # (days ago, percent of all)
_CLEAN_UP_DAYS_AGO = 75


def _created_at(draw: "_Draw", today: date) -> datetime:
    """Most leads came in three uploads, thousands within minutes; the rest one by one."""
    lot, below = draw.below(100), 0
    for days_ago, percent in _BULK_IMPORTS:
        below += percent
        if lot < below:
            start = _midnight(today) - timedelta(days=days_ago) + timedelta(hours=15)
            return start + timedelta(milliseconds=draw.below(40 * 60 * 1000))
    return _midnight(today) - timedelta(seconds=draw.below(3 * 365 * 86_400) + 1)


def _updated_at(draw: "_Draw", created_at: datetime, today: date) -> datetime:
    """Some were never touched, many in one bulk edit, the rest at any time since."""
    clean_up = _midnight(today) - timedelta(days=_CLEAN_UP_DAYS_AGO) + timedelta(hours=2)
    kind = draw.below(100)
    if kind < 25:
        return created_at
    if kind < 55 and created_at < clean_up:
        return clean_up + timedelta(milliseconds=draw.below(20 * 60 * 1000))
    span = int((_midnight(today) - created_at).total_seconds())
    return created_at + timedelta(seconds=draw.below(max(span, 1)))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


# ---------------------------------------------------------------- what they are


def _company(draw: "_Draw", last: str) -> str:
    kind = draw.pick(_COMPANY_KINDS)
    legal = draw.weighted(("", " LLC", " Inc"), (50, 38, 12))
    form = draw.below(100)
    if form < 45:
        return f"{last} {kind}{legal}"
    if form < 60:
        return f"{draw.pick('ABCDEGHJKLMRSTW')} & {draw.pick('ABCDEGHJKLMRSTW')} {kind}{legal}"
    return f"{draw.pick(_COMPANY_WORDS)} {draw.pick(_COMPANY_THINGS)} {kind}{legal}"


def _trucks(draw: "_Draw") -> int:
    size = draw.below(100)
    if size < 45:
        return 1
    if size < 80:
        return 2 + draw.below(4)
    if size < 95:
        return 6 + draw.below(10)
    return 16 + draw.below(35)


def _products(draw: "_Draw") -> tuple[str, ...]:
    wanted = draw.below(2 ** len(PRODUCTS))
    return tuple(name for bit, name in enumerate(PRODUCTS) if wanted >> bit & 1)


def _premium(draw: "_Draw") -> int:
    return 6_000 + 250 * draw.below(120)


def _other_contact(draw: "_Draw", index: int, domain: str) -> OtherContact:
    first, last = draw.pick(_FIRST_NAMES), draw.pick(_LAST_NAMES)
    return OtherContact(
        contact_id=identifier("cont", _SECOND + index),
        name=f"{first} {last}",
        title=draw.pick(("Dispatcher", "Office manager", "Safety manager", "Partner")),
        phone=_number(index, second=True),
        email=f"{first.lower()}.{last.lower()}@{domain}",
    )


_SECOND = 1_000_000_000  # second contacts are numbered from here


# ---------------------------------------------------------------- telephone numbers


def _phone(index: int) -> str:
    twin = index // 2
    shares = _shares_a_number(index) and twin != index and not _shares_a_number(twin)
    return _number(twin if shares else index)


def _shares_a_number(index: int) -> bool:
    return _Draw("twin", index).below(100) == 0


def _number(index: int, *, second: bool = False) -> str:
    """Exchange 555 reaches nobody, should these numbers ever leave the sandbox."""
    place = _place(index)
    line = (6000 if second else 2000) + place // len(_CITIES)
    return f"+1{_CITIES[place % len(_CITIES)].area}555{line:04}"


def _place(index: int) -> int:
    """A place among all cities and lines, no two people in the same one."""
    space = len(_CITIES) * 4000
    return (index * 7_919 + 104_729) % space


# ---------------------------------------------------------------- drawing lots


class _Draw:
    """Lots that fall the same way for the same subject, in every process and on every machine."""

    __slots__ = ("_left",)

    def __init__(self, kind: str, index: int) -> None:
        digest = hashlib.blake2b(f"{kind}:{index}".encode()).digest()
        self._left = int.from_bytes(digest, "big")

    def below(self, bound: int) -> int:
        self._left, lot = divmod(self._left, bound)
        return lot

    def chance(self, percent: int) -> bool:
        return self.below(100) < percent

    def pick(self, among: Sequence[Picked]) -> Picked:
        return among[self.below(len(among))]

    def weighted(self, among: Sequence[Picked], shares: Sequence[int]) -> Picked:
        lot = self.below(sum(shares))
        for item, share in zip(among, shares, strict=True):
            if lot < share:
                return item
            lot -= share
        raise AssertionError


@dataclass(frozen=True, slots=True)
class _City:
    name: str
    state: str
    area: str
    zip_prefix: str
    timezone: str


def _read_cities() -> tuple[_City, ...]:
    zones = {"E": "America/New_York", "C": "America/Chicago", "M": "America/Denver"}
    zones["P"] = "America/Los_Angeles"
    rows = (row.rsplit(" ", 4) for row in _PLACES.strip().splitlines())
    return tuple(
        _City(name, state, area, zip_prefix, zones[zone])
        for name, state, area, zip_prefix, zone in rows
    )


_PLACES = """
Omaha NE 402 681 C
Grand Island NE 308 688 C
Kansas City MO 816 641 C
Springfield MO 417 658 C
St. Louis MO 314 631 C
Tulsa OK 918 741 C
Oklahoma City OK 405 731 C
Dallas TX 214 752 C
Fort Worth TX 817 761 C
Houston TX 713 770 C
San Antonio TX 210 782 C
Laredo TX 956 780 C
El Paso TX 915 799 M
Amarillo TX 806 791 C
Little Rock AR 501 722 C
Fort Smith AR 479 729 C
Memphis TN 901 381 C
Nashville TN 615 372 C
Knoxville TN 865 379 E
Birmingham AL 205 352 C
Atlanta GA 404 303 E
Savannah GA 912 314 E
Jacksonville FL 904 322 E
Tampa FL 813 336 E
Charlotte NC 704 282 E
Greensboro NC 336 274 E
Columbia SC 803 292 E
Richmond VA 804 232 E
Louisville KY 502 402 E
Columbus OH 614 432 E
Toledo OH 419 436 E
Indianapolis IN 317 462 E
Fort Wayne IN 260 468 E
Chicago IL 312 606 C
Joliet IL 815 604 C
Milwaukee WI 414 532 C
Green Bay WI 920 543 C
Minneapolis MN 612 554 C
Des Moines IA 515 503 C
Davenport IA 563 528 C
Sioux Falls SD 605 571 C
Fargo ND 701 581 C
Denver CO 303 802 M
Salt Lake City UT 801 841 M
Boise ID 208 837 M
Phoenix AZ 602 850 M
Fresno CA 559 937 P
Bakersfield CA 661 933 P
Stockton CA 209 952 P
Spokane WA 509 992 P
"""
_CITIES = _read_cities()
_STATUS_SHARES = (46, 24, 9, 6, 9, 4, 2)
_FIRST_NAMES = (
    *("Dale", "Rick", "Maria", "Luis", "Tammy", "Earl", "Jose", "Wanda", "Curtis", "Sandra"),
    *("Roy", "Miguel", "Darlene", "Wayne", "Teresa", "Floyd", "Carlos", "Brenda", "Clint", "Rosa"),
    *("Gary", "Hector", "Peggy", "Travis", "Yolanda", "Vernon", "Ivan", "Loretta", "Duane", "Ana"),
    *(
        "Harjit",
        "Gurpreet",
        "Oksana",
        "Bogdan",
        "Abdi",
        "Amina",
        "Tyrone",
        "Keisha",
        "Bo",
        "Jolene",
    ),
)
_LAST_NAMES = (
    *("Hartley", "Mendez", "Kowalski", "Pruitt", "Ramirez", "Sizemore", "Boone", "Delgado"),
    *("McAllister", "Stroud", "Vargas", "Tillman", "Novak", "Hutchins", "Salazar", "Beck"),
    *("Singh", "Dhillon", "Petrenko", "Warsame", "Gaines", "Whitaker", "Ortiz", "Lindqvist"),
    *("Crowder", "Espinoza", "Yoder", "Redmond", "Castillo", "Burkhart", "Fuentes", "Landry"),
    *("Hollis", "Trevino", "Mackey", "Sorensen", "Pacheco", "Gentry", "Rojas", "Stephens"),
)
_COMPANY_KINDS = ("Trucking", "Transport", "Freight", "Hauling", "Logistics", "Carriers", "Express")
_COMPANY_WORDS = (
    *("Blue", "Iron", "Prairie", "Lone", "Silver", "Red", "High", "Northern", "Desert", "Golden"),
    *("Black", "Copper", "Eastern", "Great", "Rolling", "Big"),
)
_COMPANY_THINGS = (
    *("Mesa", "River", "Star", "Ridge", "Eagle", "Oak", "Plains", "Creek", "Horizon", "Canyon"),
    *("Mile", "Bison", "Hawk", "Valley", "Anchor", "Summit"),
)
