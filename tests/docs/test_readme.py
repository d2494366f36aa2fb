"""README is short, its links lead somewhere, and its results are those of the committed metrics."""

import json
import re
from pathlib import Path

import pytest

from docs.snippets import snippets_of
from tests.conftest import ROOT, copy_project, set_params
from tests.docs.blocks import add_pictures, run_block

README = (ROOT / "README.md").read_text()
MOST_LINES = 180
KEYS = {
    ("keypoints", "NME"): ("nme", "baseline_nme"),
    ("keypoints", "RMSE"): ("rmse_px", "baseline_rmse_px"),
    ("emotion", "the majority class"): ("accuracy", "baseline_accuracy"),
    ("emotion", "logistic regression on the pixels"): ("accuracy", "baseline_pixel_logistic_accuracy"),
}
"""Metric and baseline by model, and by a text of the row."""


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("page", ["README.md", "docs/tutorials/first-run.md"])
def test_its_results_are_the_committed_ones(page: str) -> None:
    rows = re.findall(
        r"^\| (keypoints|emotion) \| (.+?) \| (\d\.\d+) \| (\d\.\d+) \| (.+?) \|$", (ROOT / page).read_text(), re.M
    )
    assert len(rows) >= 2
    for model, metric, value, baseline, what in rows:
        keys = next(keys for (name, text), keys in KEYS.items() if name == model and text in f"{metric} {what}")
        metrics = json.loads((ROOT / f"reports/metrics/{model}.json").read_text())
        assert [value, baseline] == [f"{metrics[key]:.3f}" for key in keys]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "models/README.md"])
def test_links_lead_to_files(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / page).read_text())
    folder = (ROOT / page).parent
    assert [link for link in links if "://" not in link and not (folder / Path(link)).exists()] == []


def test_the_sets_have_the_metrics_of_their_cards() -> None:
    """RMSE and accuracy on the test split, with two and three digits."""
    for name in ("released", "fast"):
        row = next(line for line in README.splitlines() if line.startswith(f"| `{name}`"))
        metrics = {
            model: json.loads((ROOT / f"docs/{name}/{model}.json").read_text()) for model in ("keypoints", "emotion")
        }
        expected = (f"{metrics['keypoints']['rmse_px']:.2f} px", f"{metrics['emotion']['accuracy']:.3f}")
        assert [cell.strip() for cell in row.split("|")[2:4]] == list(expected)


def test_its_photograph_is_scored_and_its_settings_are_checked(tmp_path: Path) -> None:
    """The blocks that need no trained models; `tests/acceptance/test_docs.py` runs all of them."""
    score, check = (one for one in snippets_of(ROOT / "README.md") if one.way == "run")
    project = copy_project(tmp_path / "project")
    set_params(project, sample__num_samples__keypoints=100, sample__num_samples__emotion=100)
    add_pictures(project)
    run_block(score, project)
    assert {"predictions.parquet", "skipped.parquet", "report.html", "pictures"} <= {
        path.name for path in (project / "scored").iterdir()
    }
    (only_check,) = (line for line in check.text.splitlines() if line.startswith("faces check"))
    run_block(check._replace(text=f"faces run sample\n{only_check}\n"), project)
