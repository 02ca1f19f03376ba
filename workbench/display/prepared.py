"""Studies of a page that take seconds of work before they can answer."""

from __future__ import annotations

import logging
from collections.abc import Callable

from workbench.model.errors import InputError

log = logging.getLogger(__name__)


class Prepared:
    """What is worked out once, for all viewers, before a study can answer."""

    def __init__(self, reason: str = "") -> None:
        self.ready = False
        self.reason = reason  #: why there is no answer; empty where there is one

    def prepare(self, give_way: Callable[[], None] = lambda: None) -> None:
        """Work out what does not depend on settings; some seconds, once. ``give_way`` is called between steps.

        What goes wrong becomes the reason: a page says it where the answer would stand.
        """
        if self.ready:
            return
        try:
            if not self.reason:
                self._prepare(give_way)
        except InputError as error:
            self.reason = str(error)
        except Exception:
            log.exception("%s could not be prepared", type(self).__name__)
            self.reason = "working it out failed; the log of the server says how"
        self.ready = True

    def _prepare(self, give_way: Callable[[], None]) -> None:
        raise NotImplementedError
