"""Small exports for the serving tests, and ways to ask them."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from interactions import random_interactions
from multvae_tf import Items, MultDAE, MultVAE
from multvae_tf.baselines import WMF, ItemKNN
from multvae_tf.linear import EASE, ELSA
from multvae_tf.serving.export import export_model
from recvae_tf import DenseEncoder, MLPEncoder, RecVAE, VampPrior

SCRIPTS = Path(__file__).parents[2] / "scripts"
NUM_ITEMS = 300
TOP_K = 100
ITEM_IDS = [f"item {number}" if number % 3 else f"фильм-{number}" for number in range(NUM_ITEMS)]
TITLES = [f'The "{number}", Part I' if number % 2 else "" for number in range(NUM_ITEMS)]
POPULARITY = (np.arange(NUM_ITEMS) * 7919) % 1000
MODELS = {
    "multvae": lambda: MultVAE(NUM_ITEMS, hidden_dims=[40], latent_dim=20, seed=1),
    "multdae": lambda: MultDAE(NUM_ITEMS, hidden_dims=[40], latent_dim=20, seed=2),
    "recvae": lambda: RecVAE(NUM_ITEMS, encoder=DenseEncoder([40] * 5, 20), prior=VampPrior(), seed=3),
    "mixed": lambda: RecVAE(NUM_ITEMS, encoder=MLPEncoder(latent_dim=20), seed=4, dtype="mixed_bfloat16"),
}
ITEMS = Items.of(ITEM_IDS, TITLES, POPULARITY)
INTERACTIONS = random_interactions(400, NUM_ITEMS, 0.05, seed=8)
OTHER_MODELS = {
    "ease": lambda: fitted(EASE(NUM_ITEMS, l2=10.0)),
    "itemknn": lambda: fitted(ItemKNN(NUM_ITEMS)),
    "wmf": lambda: fitted(WMF(NUM_ITEMS, rank=8)),
    "elsa": lambda: ELSA(NUM_ITEMS, rank=16),
}


def fitted(model):
    """A solved model of 400 made-up users."""
    model.fit(INTERACTIONS, verbose=0)
    return model


def export_small(model, saved_models_dir, name="small", top_k=TOP_K):
    """The version folder of a model with `NUM_ITEMS` items."""
    return export_model(model, ITEMS, saved_models_dir / name, top_k=top_k)


def run_worker(script, *arguments):
    """Runs a script of this folder in a fresh process; returns what it prints."""
    path = Path(__file__).with_name(script)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(SCRIPTS)}
    done = subprocess.run(
        [sys.executable, str(path), *map(str, arguments)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, f"exit status {done.returncode}: {done.stderr[-2000:]}"
    return done.stdout


def ask_natively(folder, requests, tmp_path):
    """The answers of the C++ runtime in a process without Python TensorFlow; see `native_worker`."""
    requests_path, answers_path = tmp_path / "requests.pkl", tmp_path / "answers.pkl"
    requests_path.write_bytes(pickle.dumps(requests))
    run_worker("native_worker.py", folder, requests_path, answers_path)
    return pickle.loads(answers_path.read_bytes())


def ask_reloaded(folder, requests):
    """The answers of `tf.saved_model.load`."""
    reloaded = tf.saved_model.load(str(folder))
    return [
        {
            name: tensor.numpy()
            for name, tensor in reloaded.signatures[signature](
                **{key: tf.constant(value, tf.string) for key, value in inputs.items()}
            ).items()
        }
        for signature, inputs in requests
    ]


def rows(*histories):
    """Histories as one request, padded with ''."""
    width = max(map(len, histories))
    return np.array([[*history, *[""] * (width - len(history))] for history in histories], object)


def random_histories(num_users, seed, longest=30):
    """Lists of distinct known ids, of 1 to `longest`."""
    rng = np.random.default_rng(seed)
    return [
        [ITEM_IDS[i] for i in rng.choice(NUM_ITEMS, rng.integers(1, longest + 1), replace=False)]
        for _ in range(num_users)
    ]


def text(array):
    """An array of bytes as nested lists of str."""
    return np.vectorize(bytes.decode, otypes=[object])(array).tolist() if array.size else array.tolist()
