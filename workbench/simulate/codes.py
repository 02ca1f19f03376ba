"""Codes of states, from the vocabulary: the models speak of states by name."""

from __future__ import annotations

from functools import lru_cache

from workbench.model.errors import InputError, did_you_mean


@lru_cache(maxsize=512)
def code(variable: str, state: str) -> float:
    """The number that stands for ``state`` of ``variable``.

    Raises
    ------
    InputError
        The vocabulary has no such state.
    """
    from workbench.model.vocabulary import vocabulary

    states = vocabulary().term(variable).states or {}
    if state not in states:
        raise InputError(
            f"no such state of {variable}",
            found=state,
            expected=", ".join(states),
            hint=did_you_mean(state, states),
        )
    return float(states[state])
