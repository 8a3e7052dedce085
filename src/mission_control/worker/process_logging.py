"""Worker and scheduler log as the rest of the product does."""

from celery.signals import setup_logging

from mission_control.core.logging import configure_logging
from mission_control.core.settings import get_settings


@setup_logging.connect(weak=False)
def log_as_configured(**_: object) -> None:
    """Celery leaves logging alone when somebody listens here."""
    configure_logging(get_settings().mc_log_level)
