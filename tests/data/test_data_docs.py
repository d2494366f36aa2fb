"""Data Docs: equal tables give equal bytes in any process at any time, and a page needs no network."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import great_expectations.expectations as gxe
import pandas as pd
import pytest

from tasks.data.suite_run import run_suite

RENDER = """
import sys
from pathlib import Path
import pandas as pd
from tasks.data.expectations import emotion_suite, keypoint_suite
from tasks.data.suite_run import run_suite
from tasks.data.validation import validate_table
from tests.readers.test_layouts import COURSE, emotion_rows, keypoint_rows, rules

folder = Path(sys.argv[1])
folder.mkdir()
emotions = emotion_rows(COURSE, 40)
emotions.loc[3, "emotion"], emotions.loc[5, "pixels"] = "99", "1 2 3"
for model_name, table in {"emotion": emotions, "keypoints": keypoint_rows(20)}.items():
    raw = folder / f"{model_name}.csv"
    table.to_csv(raw, index=False)
    validate_table(model_name, raw, rules(), folder / f"{model_name}.json", folder / "docs" / model_name)
"""
CLOCKED = re.compile(r"\d{4}-\d\d-\d\d|\d{8}T\d{6}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}")
"""Dates, times and UUIDs."""


class Addresses(HTMLParser):
    """Collects the tags of a page, and all that its attributes refer to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: set[str] = set()
        self.referred: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.add(value or "")
            elif name in {"src", "href", "action", "data", "srcset"}:
                self.referred.add(value or "")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[dict[Path, bytes]]:
    """The Data Docs of the same tables by two processes, one after the other, with other hashes and another zone."""
    docs = []
    for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo")):
        folder = tmp_path_factory.mktemp("rendered")
        environment = os.environ | {"PYTHONHASHSEED": seed, "TZ": zone}
        subprocess.run([sys.executable, "-c", RENDER, str(folder / "run")], env=environment, check=True)
        docs.append({p.relative_to(folder): p.read_bytes() for p in (folder / "run/docs").rglob("*") if p.is_file()})
    return docs


def test_equal_tables_give_equal_bytes(rendered: list[dict[Path, bytes]]) -> None:
    assert list(rendered[0]) == [Path(f"run/docs/{name}/index.html") for name in ("emotion", "keypoints")]
    assert rendered[0] == rendered[1]


def test_a_page_has_no_time_and_no_random_id(rendered: list[dict[Path, bytes]]) -> None:
    assert len(CLOCKED.findall("2026-12-01 20261201T084048 d3b07384-d113-4ec6-a35b-000000000000")) == 3
    for content in rendered[0].values():
        assert CLOCKED.findall(content.decode()) == []


def test_a_page_refers_to_nothing_outside_itself(rendered: list[dict[Path, bytes]]) -> None:
    for content in rendered[0].values():
        page = Addresses()
        page.feed(content.decode())
        assert page.tags.isdisjoint({"script", "link", "img", "iframe"})
        assert len(page.referred) > 5
        assert page.referred <= {f"#{each}" for each in page.ids}
        assert not re.search(r"https?://|url\(|@import", content.decode())


def test_a_page_says_what_failed_and_in_how_many_rows(rendered: list[dict[Path, bytes]]) -> None:
    page = rendered[0][Path("run/docs/emotion/index.html")].decode()
    (count, total) = map(int, re.search(r"(\d+) of (\d+) expectations passed", page).groups())  # type: ignore[union-attr]
    assert 0 < count < total == page.count('class="passed"') + page.count('class="failed"')
    assert page.count('class="failed"') == total - count
    (row,) = (line for line in page.splitlines() if "not a label of course" in line)
    assert re.search('class="failed".*label_valid.*<td>1</td></tr>$', row)
    assert page.count("fa-times") - page.split("</style>")[0].count("fa-times") == total - count


def test_text_of_a_table_is_escaped(tmp_path: Path) -> None:
    text = "<script src='http://x.invalid'></script>"
    expectation = gxe.ExpectColumnMostCommonValueToBeInSet(
        column="x", value_set=["<b>"], severity="critical", meta={"reason": text, "remedy": ""}
    )
    (result,) = run_suite("hostile", [expectation], pd.DataFrame({"row": [1, 2], "x": [text, text]}), tmp_path)
    assert not result["passed"]
    page = Addresses()
    page.feed((tmp_path / "index.html").read_text())
    assert page.tags.isdisjoint({"script", "b"})
