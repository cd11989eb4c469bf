"""Raw interactions in, a prepared dataset out: numpy, pandas, scipy and pyarrow; no TensorFlow.

Example:
    >>> import data_prep
    >>> data = data_prep.prepare("mine.csv", threshold=3.5)
    >>> data.train, data.validation.fold_in, data.test.held_out, data.item_ids
"""

from data_prep.catalogue import CATALOGUE
from data_prep.dataset import PreparedDataset, load
from data_prep.errors import DataError
from data_prep.preparation import prepare

__all__ = ["CATALOGUE", "DataError", "PreparedDataset", "load", "prepare"]
