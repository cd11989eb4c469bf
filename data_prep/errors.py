"""The error that a user of a dataset can mend."""


class DataError(ValueError):
    """Data or a setting of it cannot be used; the message is one sentence naming file, field and value."""
