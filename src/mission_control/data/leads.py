"""Leads: the mirror of what Close keeps, and what a lead's custom fields mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from mission_control.core.clock import utc_now
from mission_control.data.base import Base


class Lead(Base):
    """Times are Close's own. `custom` is keyed by `cf_…`, and `document` is the lead as Close sent it."""

    __tablename__ = "leads"
    __table_args__ = (
        Index("ix_leads_created_at_id", "created_at", "id"),
        Index("ix_leads_status_id_created_at_id", "status_id", "created_at", "id"),
        Index("ix_leads_status_label_created_at_id", "status_label", "created_at", "id"),
        Index("ix_leads_updated_at", "updated_at"),
        Index("ix_leads_mirrored_at", "mirrored_at"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    name: Mapped[str] = mapped_column(Text)
    status_id: Mapped[str | None] = mapped_column(String(64), default=None)
    status_label: Mapped[str | None] = mapped_column(String(200), default=None)
    primary_phone: Mapped[str | None] = mapped_column(String(32), default=None)  # E.164
    primary_email: Mapped[str | None] = mapped_column(String(320), default=None)
    search_text: Mapped[str] = mapped_column(Text, default="")  # lower case: names, numbers, mail
    custom: Mapped[dict[str, Any]] = mapped_column(default=dict)
    document: Mapped[dict[str, Any]] = mapped_column(default=dict)
    # When it was last seen in Close, whether it had changed or not.
    mirrored_at: Mapped[datetime] = mapped_column(default=utc_now)


class LeadPhone(Base):
    """A number that one of the lead's contacts answers. Several leads may share it."""

    __tablename__ = "lead_phones"
    __table_args__ = (Index("ix_lead_phones_phone_lead_id", "phone", "lead_id"),)

    lead_id: Mapped[str] = mapped_column(
        ForeignKey("leads.id", ondelete="CASCADE"), primary_key=True
    )
    phone: Mapped[str] = mapped_column(String(32), primary_key=True)  # E.164


class LeadField(Base):
    """What one custom field is: Close's definition."""

    __tablename__ = "lead_fields"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)  # cf_…
    name: Mapped[str] = mapped_column(String(200))
    type: Mapped[str] = mapped_column(String(32))
    accepts_multiple: Mapped[bool] = mapped_column(default=False)
    choices: Mapped[list[str]] = mapped_column(default=list)
    position: Mapped[int] = mapped_column(default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadFacts:
    """A lead as Close told of it at one moment."""

    id: str
    created_at: datetime
    updated_at: datetime
    name: str
    status_id: str | None
    status_label: str | None
    phones: Sequence[str]  # E.164, the first one first
    primary_email: str | None
    search_text: str
    custom: dict[str, Any]
    document: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadFilter:
    """`custom`: pairs of a field and what it must hold, as text."""

    text: str | None = None
    status_id: str | None = None
    status_label: str | None = None
    custom: Sequence[tuple[LeadField, str]] = ()
