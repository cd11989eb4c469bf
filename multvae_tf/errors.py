"""The errors that a user can mend; each message is one sentence that says what to change."""

from typing import Any


class RunError(ValueError):
    """A run cannot start, go on or be read.

    Examples:
        >>> from multvae_tf import Run, RunError
        >>> try:
        ...     Run.open("nowhere")
        ... except RunError as error:
        ...     print(error)
        nowhere holds no run
    """


class SettingError(RunError):
    """A setting has a value that it cannot have.

    Attributes:
        field: the name of the setting, with which the message begins.
    """

    def __init__(self, field: str, rest: str):
        super().__init__(f"{field} {rest}")
        self.field = field


def check(condition: bool, field: str, value: Any, expected: str) -> None:
    """Raises `SettingError` naming the field, its value and what is expected, unless the condition holds."""
    if not condition:
        raise SettingError(field, f"is {value}; it must be {expected}")
