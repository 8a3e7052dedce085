"""Worker and scheduler log as the rest of the product does."""

import warnings

from celery.exceptions import CPendingDeprecationWarning
from celery.signals import setup_logging

from mission_control.core.logging import configure_logging
from mission_control.core.settings import get_settings

# Of a default that Celery will change one day; said whenever the broker was away, to nobody's use.
warnings.filterwarnings("ignore", category=CPendingDeprecationWarning, module=r"celery\.worker")


@setup_logging.connect(weak=False)
def log_as_configured(**_: object) -> None:
    """Celery leaves logging alone when somebody listens here."""
    configure_logging(get_settings().mc_log_level)
