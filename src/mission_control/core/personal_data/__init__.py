"""What is personal in something said, taken out: numbers, addresses and names."""

from mission_control.core.personal_data.names import names_said, without_companies, without_names
from mission_control.core.personal_data.numbers import without_numbers
from mission_control.core.personal_data.redaction import redacted

__all__ = ["names_said", "redacted", "without_companies", "without_names", "without_numbers"]
