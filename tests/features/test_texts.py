import pytest
from tests.features.tiny import dataset_of

from drrec.errors import InputError
from drrec.features.texts import texts_of


def test_title_year_genres_and_plot_are_one_text(tmp_path):
    plots = tmp_path / "plots.csv"
    plots.write_text('item_id,plot\n2,"A man, a plan.\nA canal"\n9,Nobody\n', encoding="utf-8-sig")
    dataset = dataset_of(
        ["1", "2", "3"], titles=["Matrix, The (1999)", "Up! (2009)", ""], genres=["War", "", ""]
    )
    texts = texts_of(dataset, plots)
    assert texts.words == ["The Matrix (1999). War.", "Up! (2009). A man, a plan. A canal.", ""]
    assert texts.unknown == ["9"]
    assert texts_of(dataset, None).words[1] == "Up! (2009)."


@pytest.mark.parametrize("header", ["movieId,overview", "imdb,item_id,text", "Item ID,Description"])
def test_columns_go_by_many_names(tmp_path, header):
    plots = tmp_path / "plots.csv"
    place = header.count(",")
    plots.write_text(header + "\n" + ",".join(["x", "1", "Rain"][-place - 1 :]) + "\n")
    assert texts_of(dataset_of(["1", "2"]), plots).words == ["Rain.", ""]


def test_captions_in_json_lines_are_texts(tmp_path):
    lines = '{"item_id": "2", "caption": "Red,\\nand a \\"sea\\".", "made_of": "x"}\n\n'
    (tmp_path / "captions.jsonl").write_text(lines + '{"item_id": 0, "caption": null}\n')
    texts = texts_of(dataset_of(["1", "2"], titles=["Up", "In"]), tmp_path / "captions.jsonl")
    assert texts.words == ["Up.", 'In. Red, and a "sea".']
    assert texts.unknown == ["0"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "Expected columns item_id and plot"),
        ('{"item_id": "1"}\n', "Expected columns item_id and plot"),
        ('{"item_id": "1", "caption": "a"}\n{"it', "Expected JSON in line 2 of"),
        ('{"item_id": "1", "caption": ["a"]}\n', "Expected text or a whole number .* line 1 of"),
        ("[1]\n", "Expected an object in line 1 of"),
    ],
)
def test_bad_json_lines_are_refused(tmp_path, content, said):
    (tmp_path / "captions.jsonl").write_text(content)
    with pytest.raises(InputError, match=said) as refused:
        texts_of(dataset_of(["1"]), tmp_path / "captions.jsonl")
    assert "captions.jsonl" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("title,plot\nx,y\n", "Expected columns item_id and plot"),
        ("item_id,plot\n1,a,b\n", "Expected 2 fields .* line 2"),
        ("", "empty file"),
        (None, "readable file"),
    ],
)
def test_a_bad_file_of_plots_is_refused(tmp_path, content, said):
    plots = tmp_path / "plots.csv"
    if content is not None:
        plots.write_text(content)
    with pytest.raises(InputError, match=said) as refused:
        texts_of(dataset_of(["1"]), plots)
    assert "plots.csv" in str(refused.value)
