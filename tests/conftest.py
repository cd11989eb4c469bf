"""Fixtures that every layer of tests may use; TensorFlow is set up as in the commands."""

import os
from pathlib import Path

import pytest

from cli import command_line

command_line.import_tensorflow()

GOLDENS = Path(__file__).parent / "goldens"


@pytest.fixture
def goldens() -> Path:
    """The folder of the reference programs' values."""
    return GOLDENS


@pytest.fixture
def real_data() -> Path:
    """The folder of the real datasets: $MULTVAE_REAL_DATA, or `shared/data` beside the checkout."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MULTVAE_REAL_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"the real datasets are not in {folder}")
    return folder
