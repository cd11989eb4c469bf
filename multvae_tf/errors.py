"""The error that a user of a run can mend."""

from typing import Any


class RunError(ValueError):
    """A run cannot start, go on or be read; the message is one sentence that says what to change."""


def check(condition: bool, field: str, value: Any, expected: str) -> None:
    """Raises `RunError` naming the field, its value and what is expected, unless the condition holds."""
    if not condition:
        raise RunError(f"{field} is {value}; it must be {expected}")
