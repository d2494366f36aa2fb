"""Each figure of docs/explanation/networks.md can be drawn, here with small sizes, and the page shows it."""

import re
from pathlib import Path

import cv2
import pytest

from docs.figures.__main__ import FIGURES, draw, main
from tests.conftest import ROOT

SMALL: dict[str, dict[str, object]] = {
    "gradients": {"depth": 4, "seeds": (1,)},
    "depth": {"shallow": 2, "deep": 4, "epochs": 1, "faces": 64},
    "descent": {"faces": 32, "epochs": 1, "steps": 2, "grid": 4},
    "blocks": {},
    "positions": {"faces": 3},
}
MEASUREMENTS = {
    "gradients": r"plain without batch normalization: first layer \d.*residual with batch normalization: .* last \d",
    "depth": r"2 convolutions, plain: \d.*4 convolutions, plain: \d.*4 convolutions, residual: \d",
    "descent": r"1725 weights; curvature .* loss in 2 steps at 0\.02: \d.*0\.15: \d.*0\.4: \d",
    "blocks": "stage2_a_main1_conv",
    "positions": r"argmax \d\.\d\d px; soft-argmax \d\.\d{3} px at temperature 1",
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_the_size_of_the_committed_one(name: str, tmp_path: Path) -> None:
    path, measurements = draw(name, tmp_path, **SMALL[name])
    assert [path] == list(tmp_path.iterdir())
    assert re.fullmatch(f".*{MEASUREMENTS[name]}.*", measurements)
    assert "nan" not in measurements
    drawn, committed = cv2.imread(str(path)), cv2.imread(str(ROOT / "docs" / path.name))
    assert drawn is not None
    assert committed is not None
    assert drawn.shape == committed.shape
    assert 0.02 < (drawn < 250).any(axis=2).mean() < 0.98


def test_the_page_shows_every_figure_and_no_other() -> None:
    shown = re.findall(r"!\[.+?\]\(\.\./networks-(\w+)\.png\)", (ROOT / "docs/explanation/networks.md").read_text())
    assert sorted(shown) == sorted(FIGURES)


def test_the_command_draws_the_named_figures_and_rejects_unknown_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["blocks", "--folder", str(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == ["networks-blocks.png"]
    assert capsys.readouterr().out.startswith("blocks: stage2_a_main1_conv")
    with pytest.raises(SystemExit):
        main(["blocks", "block"])
    assert "no such figure: block" in capsys.readouterr().err
