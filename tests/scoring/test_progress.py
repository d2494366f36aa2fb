"""The progress of scoring names the number of images and rows that there are, whatever is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tasks.scoring.batch
from tasks.models.approved_models import ApprovedModels
from tasks.readers.records import count_records, read_records
from tests.readers.bombs import GREY, encoded
from tests.scoring.test_batch import approved, scored, stub_outputs

__all__ = ["approved"]
PNG = encoded(GREY, "PNG")
FACE = " ".join(str(100 + place % 9) for place in range(256))


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.scoring.batch, "make_predictor", lambda *_: stub_outputs)


def progress_of(
    given: list[str], approved: ApprovedModels, out: Path, monkeypatch: pytest.MonkeyPatch, big: bool
) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(tasks.scoring.batch, "log", lines.append)
    scored(given, approved, out, shard_size=50 if big else 3)
    return [line.partition(" · ")[0] for line in lines if " scored" in line]


@pytest.mark.parametrize(
    ("content", "first", "last"),
    [
        ("emotion,file\n" + "3,1.png\n" * 90, "3 of 8", "8 of 8"),
        ("pixels;emotion\n" + f"{FACE};3\n" * 90, "3 of 8", "8 of 8"),
        (f'pixels\n{FACE}\n"{FACE}\n"\n', "3 of 9", "9 of 9"),
        (f"pixels\n{FACE}\n{FACE}", "3 of 9", "9 of 9"),
        ("pixels\n" + f"{FACE}\n" * 200 + "1,2\n" + f"{FACE}\n" * 90, "50 of 298", "208 of 208"),
    ],
    ids=["no pixels", "other marks", "line breaks in cells", "no line break at the end", "refused further below"],
)
def test_the_progress_counts_a_refused_table_as_one_record(
    content: str, first: str, last: str, approved: ApprovedModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        (tmp_path / f"{number}.png").write_bytes(PNG)
    (tmp_path / "table.csv").write_text(content)
    lines: list[str] = []
    monkeypatch.setattr(tasks.scoring.batch, "log", lines.append)
    names = [*(f"{number}.png" for number in range(7)), "table.csv"]
    given = [str(tmp_path / name) for name in names]
    scored(given, approved, tmp_path / "out", shard_size=50 if len(content) > 100_000 else 3)
    found = [line.partition(" · ")[0] for line in lines if "/s · " in line]
    assert (found[0], found[-1]) == (f"{first} scored", f"{last} scored")


@pytest.mark.parametrize("kind", ["parquet", "npz"])
def test_a_refused_table_of_any_kind_is_counted_as_one_record(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind}"
    if kind == "npz":
        np.savez(path, images=np.zeros((9, 48, 48), np.uint8), rows=np.ones(9, np.int64))
    else:
        pd.DataFrame({"emotion": range(9)}).to_parquet(path)
    assert count_records(str(path)) == 1
    assert len(list(read_records(str(path)))) == 1
