"""The notebooks of `examples/`: each is run small, and what is committed is a whole clean run."""

import os
import pathlib
import re

import nbclient
import nbformat
import pytest
from jupyter_client import AsyncKernelManager
from jupyter_core.utils import run_sync

from drrec.worlds.demo import make_demo

ROOT = pathlib.Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.ipynb"))
QUICKLY = """
%reset -f
import functools
import os

import tensorflow as tf

from drrec.embeddings import content, contrast, pretrain, variational

tf.config.run_functions_eagerly(True)
content._MOST_ROUNDS, content._STEPS_A_ROUND, contrast._STEPS = 2, 1, 1
few_sweeps = functools.partial(variational.fit_variational, num_sweeps=2)
fast = pretrain.FACTORISATIONS["variational"]._replace(fit=few_sweeps)
pretrain.FACTORISATIONS |= {"variational": fast, "pmf": fast}
os.chdir(FOLDER)
"""
"""A first cell: so few steps are not worth a compilation, nor vectors a long fit."""

SMALLER = {'"horizon": 20, "epochs": 8': '"horizon": 4, "epochs": 1'}
"""What notebooks set, and what one iteration in Python is taken with here."""

each = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


def read(path: pathlib.Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def make_small_demo(folder: pathlib.Path, *, with_media: bool) -> None:
    """100 films, of which ten have media, for these take their time; what is absent is left out."""
    make_demo(folder, num_films=100, num_users=40, with_media=False)
    if with_media:
        make_demo(folder.parent / "few", num_films=10, num_users=40)
        (folder.parent / "few" / "media").rename(folder / "media")
        for medium in list(folder.glob("media/*/*")):
            medium.rename(medium.with_name(f"f0{medium.name[1:]}"))  # f01 is f001 here


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """One for all notebooks, each of which forgets what others have set: it loads TensorFlow."""
    environment = {key: value for key, value in os.environ.items() if key != "DRREC_HOME"}
    environment |= {"DRREC_STEPS": "1", "PYTHONPATH": str(ROOT / "src")}
    environment["OMP_NUM_THREADS"] = "1"  # models are tiny here: threads would only wait
    folder = str(tmp_path_factory.mktemp("jupyter"))
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        environment[name] = folder
    manager = AsyncKernelManager(kernel_name="python3")
    run_sync(manager.start_kernel)(env=environment, cwd=folder)
    yield manager
    run_sync(manager.shutdown_kernel)(now=True)


@each
def test_a_notebook_runs(path, request, tmp_path, kernel):
    """In a new folder that has the data: a log of MovieLens, or else a small world."""
    notebook = read(path)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    (tmp_path / "data").mkdir()
    if '"ml-100k"' in code:
        folder = request.getfixturevalue("ml_100k_folder")
        (tmp_path / "data" / "ml-100k").symlink_to(folder)
    else:
        make_small_demo(tmp_path / "data" / "demo", with_media="extract" in code)
    for cell in notebook.cells:
        for whole, smaller in SMALLER.items():
            cell.source = cell.source.replace(whole, smaller)
    first = QUICKLY.replace("FOLDER", repr(str(tmp_path)))
    notebook.cells.insert(0, nbformat.v4.new_code_cell(first))
    client = nbclient.NotebookClient(notebook, km=kernel, timeout=300)
    try:
        client.execute()
    finally:
        client.kc.stop_channels()  # the kernel is not the client's own, to be ended by it
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    said = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "Warning" not in said


def test_what_is_made_smaller_is_there():
    sources = "".join(cell.source for path in EXAMPLES for cell in read(path).cells)
    assert all(whole in sources for whole in SMALLER)


@each
def test_what_is_committed_is_a_whole_clean_run(path):
    cells = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"execute_result", "display_data"}
    assert not re.search(r"/(tmp|root|home|usr|work)/", str(outputs))
