"""The error that a user of a run can mend."""


class RunError(ValueError):
    """A run cannot start, go on or be read; the message is one sentence that says what to change."""
