"""Structured lines, and a count of everything that was passed over: whoever goes on after a failure says so here."""

import logging
import sys
from collections import Counter

import structlog

_CONTINUED: Counter[str] = Counter()


def configure() -> None:
    """One JSON object a line on the standard error, with time and level."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def continued(event: str, **fields: object) -> None:
    """Something failed and the work goes on: a warning, and one more of its kind."""
    _CONTINUED[event] += 1
    structlog.get_logger().warning(event, **fields)


def counts() -> dict[str, int]:
    """How often each kind was passed over since the start."""
    return dict(sorted(_CONTINUED.items()))
