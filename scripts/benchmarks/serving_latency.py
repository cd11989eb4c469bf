"""How fast an export answers in the C++ runtime, beside the one matrix product that it cannot do without.

`measure` makes a model of random weights and starts this module in a process of its own, without Python
TensorFlow; that process prints its figures as JSON.
"""

import concurrent.futures
import contextlib
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.light_protos import read_warmup
from benchmarks.native_loader import NativeModel
from benchmarks.timing import alternate
from multvae_tf.serving.recommender import id_matrix

_HISTORY_LENGTH = 70  # about the mean of ML-20M
_NUM_REQUESTS = 64
_LARGE_BATCH = 64
_CLIENTS = (1, 4)


def measure(
    num_items: int = 20_108, *, top_k: int = 100, rounds: int = 300, seconds: float = 3.0
) -> dict[str, Any]:
    """Exports a Mult-VAE of the paper's size with random weights and times it.

    Args:
        num_items: size of the catalogue.
        top_k: how many items a recommendation holds.
        rounds: single requests that are timed, each beside one matrix product.
        seconds: for how long each number of clients sends requests.

    Returns:
        `load_ms` and `warmup_ms`; `first_request_ms`, after the warmup; `request_p50_ms`, `request_p99_ms`,
        of one user with 70 items; `matmul_p50_ms`, the decoder's last product alone; `ratio_to_matmul`,
        median over the rounds; `first_to_p50`; `batch_64_ms`; `requests_per_second_1_client` and
        `requests_per_second_4_clients`.
    """
    from multvae_tf import Items, MultVAE
    from multvae_tf.serving.export import export_model

    model = MultVAE(num_items)
    kernel = model.decoder_layers[-1].kernel.numpy()
    with tempfile.TemporaryDirectory() as name:
        items = Items.of([str(number) for number in range(num_items)], None, np.arange(num_items))
        folder = export_model(model, items, Path(name, "benchmark"), top_k=top_k)
        _export_matmul(kernel, Path(name, "matmul"))
        arguments = [str(folder), str(Path(name, "matmul")), str(num_items), str(rounds), str(seconds)]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.serving_latency", *arguments],
            capture_output=True,  # The runtime logs to standard error whatever its level.
            text=True,
            cwd=Path(__file__).parents[1],
        )
    if done.returncode:
        raise RuntimeError(f"the timing process ended with status {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout)


def _export_matmul(kernel: np.ndarray, folder: Path) -> None:
    import tensorflow as tf

    module = tf.Module()
    module.kernel = tf.Variable(kernel, trainable=False)
    spec = tf.TensorSpec([None, kernel.shape[0]], tf.float32, name="h")
    # One number goes out: copying the scores would count as time of the product.
    function = tf.function(
        lambda h: {"last": tf.matmul(h, module.kernel)[:, -1]}, input_signature=[spec], autograph=False
    )
    tf.saved_model.save(module, str(folder), signatures=function.get_concrete_function())


def _time_natively(
    folder: Path, matmul: Path, num_items: int, rounds: int, seconds: float
) -> dict[str, float]:
    figures = {}
    started = time.perf_counter()
    model = NativeModel(folder)
    figures["load_ms"] = _milliseconds_since(started)
    warmup = list(read_warmup(folder))
    started = time.perf_counter()
    for request in warmup:
        model(*request)
    figures["warmup_ms"] = _milliseconds_since(started)
    rng = np.random.default_rng(0)

    def history() -> list[str]:
        return [str(number) for number in rng.integers(num_items, size=_HISTORY_LENGTH)]

    requests = [{"history": id_matrix([history()])} for _ in range(_NUM_REQUESTS)]
    with model.repeatable("serving_default", requests[0]) as run:
        started = time.perf_counter()
        run()
        figures["first_request_ms"] = _milliseconds_since(started)

    product = NativeModel(matmul)
    hidden = {"h": rng.standard_normal((1, 600), dtype=np.float32)}
    many = {"history": id_matrix([history() for _ in range(_LARGE_BATCH)])}
    with contextlib.ExitStack() as stack:
        runs = [stack.enter_context(model.repeatable("serving_default", request)) for request in requests]
        multiply = stack.enter_context(product.repeatable("serving_default", hidden))
        run_many = stack.enter_context(model.repeatable("serving_default", many))
        turns = itertools.cycle(runs)
        timings = alternate({"request": lambda: next(turns)(), "matmul": multiply}, rounds, warm_up=20)
        batches = alternate({"batch": run_many}, 20)
    product.close()
    figures["request_p50_ms"] = 1e3 * timings.median("request")
    figures["request_p99_ms"] = 1e3 * float(np.quantile(timings.seconds["request"], 0.99))
    figures["matmul_p50_ms"] = 1e3 * timings.median("matmul")
    figures["ratio_to_matmul"] = timings.ratio("request", "matmul")
    figures["first_to_p50"] = figures["first_request_ms"] / figures["request_p50_ms"]
    figures[f"batch_{_LARGE_BATCH}_ms"] = 1e3 * batches.median("batch")
    for clients in _CLIENTS:
        name = f"requests_per_second_{clients}_client{'s' if clients > 1 else ''}"
        figures[name] = _requests_per_second(model, requests, clients, seconds)
    return figures


def _milliseconds_since(started: float) -> float:
    return 1e3 * (time.perf_counter() - started)


def _requests_per_second(model: NativeModel, requests: Sequence[dict], clients: int, seconds: float) -> float:
    """How many requests of one user are answered when each client sends one after another."""

    def client(first: int) -> int:
        count = 0
        while time.perf_counter() < end:
            model("serving_default", requests[(first + count) % len(requests)])
            count += 1
        return count

    end = time.perf_counter() + seconds
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        return sum(pool.map(client, range(clients))) / seconds


if __name__ == "__main__":
    _folder, _matmul, _num_items, _rounds, _seconds = sys.argv[1:]
    print(
        json.dumps(
            _time_natively(Path(_folder), Path(_matmul), int(_num_items), int(_rounds), float(_seconds))
        )
    )
