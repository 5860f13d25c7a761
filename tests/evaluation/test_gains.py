"""What one method reaches beyond another, from planted metrics."""

import copy
import pathlib
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread
from tests.evaluation.stubs import planted

from drrec.evaluation.figures import save_gains
from drrec.evaluation.gains import gains, gains_text
from drrec.evaluation.protocols.candidates import PerUser
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.report import report_text
from drrec.evaluation.result import Evaluation
from drrec.evaluation.summary import summarised
from drrec.files import write_json
from drrec.reading import read_json

Found = dict[tuple[str, str, int], PerUser]

USERS = 80
ABOVE = {"rated": 0.1, "cold_items": 0.0, "session": -0.4}
"""How far content is above ids, by protocol."""


def measured(seed: int = 0, above: dict[str, float] = ABOVE) -> Found:
    """Two methods that agree on who is easy to please; metrics of users 0 … 4 are not known."""
    rng = np.random.default_rng(seed)
    found = {}
    for protocol, gain in above.items():
        metrics = protocol_of(protocol).metrics
        easy = {metric: rng.uniform(0.2, 0.8, USERS) for metric in metrics}
        for name, shift in (("ids", 0.0), ("content", gain)):
            found[protocol, name, seed] = PerUser(
                np.arange(USERS),
                {
                    metric: np.where(
                        np.arange(USERS) < 5, np.nan, level + shift + rng.normal(0, 0.05, USERS)
                    )
                    for metric, level in easy.items()
                },
            )
    return found


def results(seeds: list[int]) -> Evaluation:
    return planted({k: v for seed in seeds for k, v in measured(seed).items()}, dataset="demo")


def content_of(found: Evaluation) -> dict[str, Any]:
    return summarised(found) | {"content_added": gains(found, ["content"], "ids")}


@pytest.mark.parametrize("seeds", [[0], [0, 1, 2]])
def test_the_mean_difference_is_the_difference_of_means(seeds: list[int]) -> None:
    content = content_of(results(seeds))
    found = content["content_added"]
    assert found["versus"] == "ids"
    for protocol in ABOVE:
        cells, table = found["methods"]["content"][protocol], content["protocols"][protocol]
        assert list(cells) == list(protocol_of(protocol).shown)
        assert protocol_of(protocol).primary in cells
        for metric, cell in cells.items():
            own, other = (table[name][metric]["mean"] for name in ("content", "ids"))
            assert cell["mean"] == pytest.approx(own - other, abs=1e-12)
            assert cell["low"] < cell["mean"] < cell["high"]


def test_signs_and_p_values_are_those_that_were_planted() -> None:
    found = gains(results([0]), ["content"], "ids")["methods"]["content"]
    for cell in found["rated"].values():
        assert cell["mean"] == pytest.approx(0.1, abs=0.03)
        assert cell["low"] > 0.05
        assert cell["p_value"] < 0.001
    for cell in found["session"].values():
        assert cell["mean"] == pytest.approx(-0.4, abs=0.03)
        assert cell["high"] < 0
        assert cell["p_value"] < 0.001
    assert np.median([cell["p_value"] for cell in found["cold_items"].values()]) > 0.05


def test_users_are_paired() -> None:
    """Differences are seen that are far below how users differ: each is compared with itself."""
    small = measured(above={"rated": 0.03})
    cell = gains(planted(small), ["content"], "ids")["methods"]["content"]["rated"]["ndcg@5"]
    ids = small["rated", "ids", 0].metrics
    spread = np.nanstd(ids["ndcg@5"])
    assert cell["p_value"] < 0.01
    assert cell["high"] - cell["low"] < 2 * 1.96 * spread / np.sqrt(USERS - 5) / 2
    # Other users' metrics beside one's own: as many, as good, but not the same people.
    for metric, values in ids.items():
        ids[metric] = np.r_[values[:5], values[5:][::-1]]
    unpaired = gains(planted(small), ["content"], "ids")["methods"]["content"]["rated"]["ndcg@5"]
    assert unpaired["mean"] == pytest.approx(cell["mean"])
    assert unpaired["p_value"] > 0.05


def test_seeds_are_averaged_before_users_are_compared() -> None:
    parts = [measured(seed) for seed in range(3)]
    merged = measured()
    for (protocol, name, _), made in merged.items():
        for metric in made.metrics:
            columns = [part[protocol, name, s].metrics[metric] for s, part in enumerate(parts)]
            made.metrics[metric] = np.mean(columns, axis=0)
    one, other = (gains(each, ["content"], "ids") for each in (results([0, 1, 2]), planted(merged)))
    for protocol, cells in one["methods"]["content"].items():
        for metric, cell in cells.items():
            assert cell == pytest.approx(other["methods"]["content"][protocol][metric])


def test_what_is_compared_with_itself_gains_nothing() -> None:
    found = gains(results([0]), ["ids", "content"], "ids")
    assert list(found["methods"]) == ["ids", "content"]
    for cells in found["methods"]["ids"].values():
        for cell in cells.values():
            assert (cell["mean"], cell["low"], cell["high"], cell["p_value"]) == (0, 0, 0, 1)


def test_words_say_what_was_found() -> None:
    content = content_of(results([0]))
    content["chance"] = {"rated": dict.fromkeys(protocol_of("rated").shown, 0.25)}
    rated, cold, session = gains_text(content).splitlines()
    cell = content["content_added"]["methods"]["content"]["rated"]["ndcg@5"]
    table = content["protocols"]["rated"]
    assert rated == (
        f"- `rated`: ndcg@5 {table['content']['ndcg@5']['mean']:.3f} by content, "
        f"{table['ids']['ndcg@5']['mean']:.3f} by ids (a random order: 0.250): "
        f"{cell['mean']:+.3f} [{cell['low']:+.3f}, {cell['high']:+.3f}], p = 0.0001: higher."
    )
    assert cold.startswith("- `cold_items`: ndcg@10 ")
    assert cold.endswith(": no difference that chance could not make.")
    assert "random order" not in cold
    assert session.startswith("- `session`: reward ")
    assert session.endswith(": lower.")
    assert gains_text(content) in report_text(content)


def test_what_is_not_known_is_not_claimed(tmp_path: pathlib.Path) -> None:
    """Not a user with a metric: NaN here, null in `metrics.json`."""
    nobody = planted(measured(above={"rated": 0.1}))
    nobody.values["value"] = np.nan
    content = content_of(nobody)
    write_json(tmp_path / "metrics.json", content)
    for each in (content, read_json(tmp_path / "metrics.json")):
        assert gains_text(each) == "- `rated`: ndcg@5 is known of no user."
        save_gains(each["content_added"], tmp_path / "gains.png")


def test_words_and_figure_are_the_same_when_read_again(tmp_path: pathlib.Path) -> None:
    content = content_of(results([0]))
    write_json(tmp_path / "metrics.json", content)
    again = read_json(tmp_path / "metrics.json")
    assert gains_text(again) == gains_text(content)
    for name, each in (("made", content), ("again", again)):
        save_gains(each["content_added"], tmp_path / f"{name}.png")
    made, read = (imread(tmp_path / f"{name}.png") for name in ("made", "again"))
    np.testing.assert_array_equal(made, read)


def test_the_figure_shows_where_each_gain_lies(tmp_path: pathlib.Path) -> None:
    plain = content_of(results([0]))["content_added"]
    save_gains(plain, tmp_path / "one.png")
    more = copy.deepcopy(plain)
    for metric in more["methods"]["content"]["rated"].values():
        metric |= {"mean": -metric["mean"], "low": -metric["high"], "high": -metric["low"]}
    save_gains(more, tmp_path / "turned.png")
    one, turned = (imread(tmp_path / f"{name}.png") for name in ("one", "turned"))
    assert one.shape == turned.shape
    assert (one != turned).any()
    both = gains(results([0]), ["content", "ids"], "ids")
    save_gains(both, tmp_path / "two.png")
    assert imread(tmp_path / "two.png").shape[0] > one.shape[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "turned.png", "two.png"]
