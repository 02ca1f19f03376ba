"""Structured logs: one JSON line per happening."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any, TextIO


def configure_logs(file: Path | None = None, *, level: int = logging.INFO) -> None:
    """Send structured logs to ``file``, or to standard error.

    Libraries that use :mod:`logging` are let through from warnings up, in the same form.
    """
    import orjson
    import structlog

    from workbench.model.secrets import masked

    stream: TextIO = sys.stderr
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        stream = file.open("a", encoding="utf-8", buffering=1)

    def to_json(_: Any, __: str, event: Any) -> str:
        return masked(orjson.dumps(event, default=str).decode())

    shared: list[Any] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, to_json],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("workbench").setLevel(level)
    # What goes wrong with a device is counted in its health and told there; the protocol libraries would
    # repeat it with a dump of every frame.
    for name in ("pymodbus", "asyncua", "amqtt", "paho", "transitions"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
