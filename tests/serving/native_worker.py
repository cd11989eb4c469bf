"""Runs requests on an export in the C++ runtime: native_worker.py FOLDER REQUESTS.pkl ANSWERS.pkl.

The requests are (signature, inputs) each; an answer is the outputs, or (code, message) of an error.
"""

import pickle
import sys
from pathlib import Path

from benchmarks.native_loader import NativeError, NativeModel


def main(folder, requests_path, answers_path):
    model = NativeModel(folder)

    def answer(signature, inputs):
        try:
            return model(signature, inputs)
        except NativeError as error:
            return error.code, str(error)

    requests = pickle.loads(Path(requests_path).read_bytes())
    answers = [answer(*request) for request in requests]
    model.close()
    assert "tensorflow" not in sys.modules
    assert "keras" not in sys.modules
    Path(answers_path).write_bytes(pickle.dumps(answers))


if __name__ == "__main__":
    main(*sys.argv[1:])
