"""Writes docs/settings.md, the table of all settings and their files: `python -m docs.settings`."""

from pathlib import Path

from params import key_paths, schemas

PAGE = Path(__file__).with_suffix(".md")

INTRODUCTION = """\
# Settings

`python -m docs.settings` makes this page from the schema in `params/`. Each key is in exactly one file, so no file
overrides another. In `params.yaml`, `dataset: NAME` chooses `conf/dataset/NAME.yaml`, and `recipe: NAME` chooses
`conf/recipe/NAME.yaml`. A preset of your own is a copy of one of these files. The section `sample` is always read from
`conf/dataset/sample.yaml`.

An experiment changes a setting of `params.yaml` by its key, and of a preset by file and key:

    dvc exp run -S recipe=quick -S report_predictions.num_examples=12
    dvc exp run -S 'conf/recipe/quick.yaml:emotion.student.optimizer.learning_rate=0.001'

| key | file |
| --- | --- |
"""


def page() -> str:
    """Return the page: a row for each value, in the order of the files."""
    rows = []
    for (path, _), model in schemas("NAME", "NAME").items():
        paths = list(key_paths(model))
        sections = {key[:-1] for key in paths}
        rows += [f"| `{'.'.join(key)}` | `{path}` |\n" for key in paths if key not in sections]
    return INTRODUCTION + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
