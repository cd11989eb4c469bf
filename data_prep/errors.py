"""The error that a user of a dataset can mend."""


class DataError(ValueError):
    """Data or a setting of it cannot be used; the message is one sentence naming file, field and value.

    A setting that mends it stands in the sentence as `name=value`, as it is written in Python.

    Examples:
        >>> raise DataError("a.csv, line 7 is not UTF-8; name its encoding, such as encoding=windows-1252")
        Traceback (most recent call last):
        data_prep.errors.DataError: a.csv, line 7 is not UTF-8; name its encoding, such as
        encoding=windows-1252
    """
