import json

from serving.exports import run_worker


def test_ten_thousand_odd_requests_get_the_documented_answer_or_error(export_of):
    _, folder = export_of("multvae")
    counts = json.loads(run_worker("fuzz_worker.py", folder))
    assert sum(counts.values()) == 10_000
    assert min(counts.values()) > 800
