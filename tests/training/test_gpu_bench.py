"""The benchmark for a GPU, at toy size on the CPU: its ways agree, and it claims nothing."""

import json

import pytest

pytest.importorskip("torch")

from tests.performance import training_gpu

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    file = tmp_path_factory.mktemp("bench") / "deep/results.jsonl"
    training_gpu.main(["--device", "cpu", "--out", str(file)])
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_all_ways_take_the_same_steps(results):
    losses = {(each["method"], each["way"]): each["loss"] for each in results[:-1]}
    assert losses["dpo", "loop"] == pytest.approx(losses["dpo", "tree"], abs=1e-5)
    assert losses["dpo", "trl"] == pytest.approx(losses["dpo", "tree"], abs=1e-3)
    assert losses["dpo", "trie"] == pytest.approx(losses["dpo", "tree"], abs=1e-5)
    assert losses["sft", "loop"] == pytest.approx(losses["sft", "tree"], abs=1e-5)
    assert losses["sft", "trie"] == pytest.approx(losses["sft", "tree"], abs=1e-5)
    for each in results[:-1]:
        assert each["seconds"] > 0
        assert each["peak_gib"] is None  # it is not measured here


def test_gradients_are_compared_with_one_answer_at_a_time(results):
    cosines = results[-1]["cosines"]
    assert cosines.keys() == {"tree", "loop", "trie"}
    assert min(cosines.values()) > 0.99999


def test_its_table_says_what_did_not_fit(results):
    failed = {**results[1], "failed": "out of memory"}
    lines = training_gpu.table([results[0], failed]).splitlines()
    assert lines[2].count("1.00x") == 1
    assert "| loop | out of memory |" in lines[3]
    assert len({line.count("|") for line in lines}) == 1


@pytest.mark.parametrize("options", [["--device", "cpu", "--write"], ["--device", "cuda"]])
def test_without_a_gpu_there_are_no_figures_to_publish(options):
    if training_gpu.torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SystemExit):
        training_gpu.main(options)
