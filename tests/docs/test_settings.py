"""The page of settings is current, and each key that it lists is in its file."""

from ruamel.yaml import YAML

from docs.settings import PAGE, page
from tests.conftest import ROOT

OPTIONAL = (
    *("stem_stride", "bias_correction", "distillation", "detector", "widths", "depths", "dropout"),
    *("teachers", "init_from", "precision", "file", "layer", "input_size", "frozen"),
)
"""Keys, or parents of keys, that a file may leave out."""


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m docs.settings`"


def test_each_key_is_in_its_file() -> None:
    rows = [line.split("`")[1:4:2] for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    for key, name in rows:
        content = YAML(typ="safe").load(ROOT / name.replace("NAME", "sample"))
        parts = key.split(".")
        if not {*parts} & {*OPTIONAL}:
            for part in parts:
                content = content[part]
