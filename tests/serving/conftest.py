import pytest

from serving.exports import MODELS, OTHER_MODELS, export_small


@pytest.fixture(scope="session")
def export_of(tmp_path_factory):
    """A function: kind -> (Keras model, version folder), made on first use."""
    made = {}

    def get(kind):
        if kind not in made:
            model = {**MODELS, **OTHER_MODELS}[kind]()
            made[kind] = model, export_small(model, tmp_path_factory.mktemp(kind))
        return made[kind]

    return get
