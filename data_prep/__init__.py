"""Raw interactions in, a prepared dataset out: numpy, pandas, scipy and pyarrow; no TensorFlow.

Names are imported when they are first used: a command's `--help` names the datasets, and reads none.

Examples:
    >>> import data_prep
    >>> data = data_prep.prepare("mine.csv", threshold=3.5)
    >>> data.train, data.validation.fold_in, data.test.held_out, data.item_ids
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from data_prep.catalogue import CATALOGUE
    from data_prep.dataset import PreparedDataset, load
    from data_prep.errors import DataError
    from data_prep.preparation import prepare

_HOME_OF = {
    "CATALOGUE": "catalogue",
    "DataError": "errors",
    "PreparedDataset": "dataset",
    "load": "dataset",
    "prepare": "preparation",
}
__all__ = ["CATALOGUE", "DataError", "PreparedDataset", "load", "prepare"]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
