"""What a user can get wrong is said in one line."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest
import transformers
from tests.llm.tiny import chain, configured, save_speller, spelling, stages

from drrec import cli
from drrec.cli.llm import Llm
from drrec.errors import InputError
from drrec.llm import score
from drrec.llm.config import ModelConfig, TrainingConfig
from drrec.llm.loading import convert_gguf, located, opened

ROOT = pathlib.Path(__file__).parents[2]
DATA = chain()


@pytest.fixture(scope="module")
def speller(tmp_path_factory):
    return save_speller(tmp_path_factory.mktemp("speller"))


@pytest.fixture
def log(tmp_path):
    """The chain as a file."""
    rows = DATA.interactions
    lines = [
        f"{rows.users.raw[u]},{rows.items.raw[i]},{r},{t}"
        for u, i, r, t in zip(rows.user, rows.item, rows.rating, rows.timestamp, strict=True)
    ]
    path = tmp_path / "chain.csv"
    path.write_text("\n".join(["user,item,rating,timestamp", *lines]))
    return path


APART = """
import sys
from drrec import cli
assert cli.run(*cli.STAGES, argv=sys.argv[1:]) == 0
assert "torch" in sys.modules
assert "tensorflow" not in sys.modules
"""


def test_a_stage_of_pytorch_never_loads_tensorflow(log):
    argv = ["llm", "sft", "--dataset", log.name, "--next-epochs", "1", "--gpu", "-1"]
    command = [sys.executable, "-c", APART, *argv]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    subprocess.run(command, cwd=log.parent, env=environment, check=True, capture_output=True)


def test_nothing_that_proposes_is_refused(log, capsys):
    said = refusal(capsys, "rerank", "--dataset", log, "--propose", "")
    assert "Expected a baseline, or an agent.drrec, for --propose. Received: ''" in said


def refusal(capsys, *given) -> str:
    """What the command line says on its last line of a refused command."""
    assert cli.run(Llm, argv=[str(each) for each in given], prog="drrec llm") == 2
    said = capsys.readouterr().err.strip().splitlines()
    return said[-1]


def test_a_folder_that_is_no_model(tmp_path, log, capsys):
    (tmp_path / "empty").mkdir()
    given = ("--dataset", log, "--runs-dir", tmp_path, "--model")
    said = refusal(capsys, "sft", *given, tmp_path / "empty")
    assert "Expected the language model in" in said
    assert "without model.safetensors" in said
    said = refusal(capsys, "sft", *given, tmp_path / "nowhere/at/all")
    assert "as a folder or on the hub" in said
    assert "--model FOLDER" in said


def test_a_model_of_pictures(tmp_path):
    config = transformers.ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
    )
    transformers.ViTModel(config).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="Name the folder of such a model"):
        opened(tmp_path, "cpu")


def test_a_model_of_text_that_writes_none(tmp_path):
    config = transformers.BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
    )
    transformers.BertModel(config).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="Expected"):
        opened(tmp_path, "cpu")


def test_weights_that_are_missing_and_weights_of_others(speller, tmp_path):
    shutil.copytree(speller, tmp_path / "cut")
    weights = tmp_path / "cut/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(InputError, match="Expected the language model in"):
        opened(tmp_path / "cut", "cpu")
    shutil.copytree(speller, tmp_path / "adapted")
    (tmp_path / "adapted/adapter_config.json").write_text('{"base_model_name_or_path": "a/b"}')
    with pytest.raises(InputError, match=r"adapter_config\.json"):
        opened(tmp_path / "adapted", "cpu")


def test_a_tokenizer_without_a_chat_template(tmp_path):
    folder = save_speller(tmp_path / "speller", template=None)
    made = stages(tmp_path / "run", DATA, configured(model=spelling(folder)))
    with pytest.raises(InputError, match="Expected a tokenizer with a chat template"):
        made.run("sft")


def test_a_chat_template_that_fails(tmp_path):
    folder = save_speller(tmp_path / "speller", template="{{ raise_exception('no') }}")
    made = stages(tmp_path / "run", DATA, configured(model=spelling(folder)))
    with pytest.raises(InputError, match="Expected a chat template for a user's message"):
        made.run("sft")


def test_titles_that_are_missing_or_repeated(speller, tmp_path, log, capsys):
    given = ("--dataset", log, "--runs-dir", tmp_path, "--model", speller)
    assert "Expected a title for each item" in refusal(capsys, "sft", *given)
    twice = chain()
    twice.titles[3] = twice.titles[4]
    made = stages(tmp_path / "run", twice, configured(model=spelling(speller)))
    with pytest.raises(InputError, match=r"Expected a title of its own .*--number-titles"):
        made.run("sft")


def test_a_context_without_room(speller, tmp_path):
    model = spelling(speller, context=60)
    made = stages(tmp_path / "run", DATA, configured(model=model))
    with pytest.raises(InputError, match="Expected a context with room for a prompt"):
        made.run("sft")


def test_a_full_disk(tmp_path, log, capsys, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    said = refusal(capsys, "sft", "--dataset", log, "--runs-dir", tmp_path, "--next-epochs", "1",
                   "--width", "16", "--gpu", "-1")  # fmt: skip
    assert "Expected to read and write files" in said
    assert "No space left on device" in said
    assert not (tmp_path / "save_model/llm-chain-small/sft").exists()


def test_settings_that_are_out_of_range_or_unknown(capsys, log, tmp_path):
    assert "generations" in refusal(capsys, "grpo", "--dataset", log, "--generations", "1")
    said = refusal(capsys, "sft", "--dataset", log, "--runs-dir", tmp_path, "--heads", "3")
    assert "`heads` must divide `width`" in said
    assert "baselines" in refusal(capsys, "train", "--dataset", log, "--baselines", "nobody")
    assert "rows" in refusal(capsys, "train", "--dataset", log, "--rows", "nobody")
    with pytest.raises(InputError, match="Expected a known setting"):
        TrainingConfig.of(0, {"widht": 3})


def test_scoring_before_training_is_done(capsys, log, tmp_path):
    said = refusal(capsys, "score", "--dataset", log, "--runs-dir", tmp_path)
    assert "Train it first: drrec llm grpo" in said


def test_a_gguf_file_that_is_none(tmp_path):
    with pytest.raises(InputError, match="nothing there"):
        convert_gguf(tmp_path / "no.gguf", tmp_path / "out")
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + bytes(40))
    with pytest.raises(InputError, match="Expected the language model in"):
        convert_gguf(tmp_path / "broken.gguf", tmp_path / "out")


def test_small_has_to_be_trained_before_it_is_scored(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["score", "--requests", str(tmp_path / "none.npz")])
    assert score.main() == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "has to be trained first: drrec llm train" in said


def test_a_hub_model_that_is_a_folder_is_taken_as_it_is(speller, tmp_path):
    assert located(ModelConfig(model=str(speller)), tmp_path) == speller
    assert located(ModelConfig(), tmp_path) == tmp_path
