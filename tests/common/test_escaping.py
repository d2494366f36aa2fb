"""Texts from outside are shown as texts: no formula in a spreadsheet, no link in Markdown, no command to a terminal."""

import csv
import io
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from flows.inbox import INBOX
from params import SettingsError
from tasks.common.csv_escaping import protect, protected, unprotect, unprotected
from tasks.common.files import InputError
from tasks.common.text_escaping import markdown, visible
from tasks.data.ingestion import bring_in
from tasks.operations import pipeline_report
from tasks.operations.pipeline_report import report_pipeline
from tasks.operations.pipeline_run import Lane
from tasks.orchestration import api
from tasks.readers.raw_csv import header, read_raw
from tasks.scoring.annotated_images import write_csv
from tasks.scoring.inbox import arrived
from tests.readers.test_layouts import emotion_rows, keypoint_rows, rules, through

FORMULAS = [
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1",
    '=HYPERLINK("http://x")',
]
PLAIN = ["-3.5", "+7", "-1e-3", "-1 2 -3", "\t00 12\t3", "a=b", "1-2", "", " =1", "'quoted'", "it's"]


@pytest.mark.parametrize("text", [*FORMULAS, "--1", "-", "-1 2 x", "-\u0663", "-inf", "-nan"])
def test_a_formula_gets_a_quote_and_loses_it_again(text: str) -> None:
    assert protect(text) == f"'{text}"
    assert unprotect(protect(text)) == text
    assert unprotect(protect(protect(text))) == protect(text)


@pytest.mark.parametrize("text", PLAIN)
def test_numbers_and_other_texts_stay_as_they_are(text: str) -> None:
    assert protect(text) == unprotect(text) == text


@given(st.text(alphabet="'=+-@\t\r\n 0129.ea\uff0d"))
def test_every_text_comes_back_and_none_is_a_formula(text: str) -> None:
    assert unprotect(protect(text)) == text
    assert protect(text)[:1] not in ("=", "@", "\uff0d") or not text


def test_a_table_keeps_its_numbers_and_its_rows() -> None:
    table = pd.DataFrame({"name": [*FORMULAS, None], "=x": range(10), "y": np.linspace(-1, 1, 10)})
    safe = protected(table)
    assert safe["name"].tolist()[:-1] == [f"'{text}" for text in FORMULAS]
    assert safe.columns.tolist() == ["name", "'=x", "y"]
    np.testing.assert_array_equal(safe["y"], table["y"])
    back = pd.read_csv(io.StringIO(safe.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC)), keep_default_na=False)
    assert unprotected(back)["name"].tolist() == [*FORMULAS, ""]
    assert table["name"].tolist()[0] == "=1+1"


def test_a_quarantine_has_no_formula_and_can_be_given_in_again(tmp_path: Path) -> None:
    """The labels are formulas, as is the name of a column that nobody reads; then they are mended."""
    table = emotion_rows(("a", "b", "c", "d", "e"), 60).rename(columns={"Usage": "=note"})
    table.loc[: len(FORMULAS) - 1, "emotion"] = FORMULAS
    table["pixels"] = [f"-{text}" if row == 20 else text for row, text in enumerate(table["pixels"])]
    table["=note"] = FORMULAS[0]
    table.to_csv(tmp_path / "mine.csv", index=False, quoting=csv.QUOTE_ALL)
    settings = rules(max_quarantined=0.9, min_rows=1)
    valid, aside = through("emotion", str(tmp_path / "mine.csv"), tmp_path / "first", settings)
    assert len(valid) + len(aside) == 60
    text = (tmp_path / "first/emotion-aside.csv").read_text(encoding="utf-8")
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    # Pixels of which the first is under 0 are numbers still.
    assert [cell[:9] for cell in cells if cell and protect(cell) != cell and not cell.startswith("'")] == []
    assert {"'=note", "'=1+1", "'\t=1"} <= set(cells)
    assert header(tmp_path / "first/emotion-aside.csv")[2:] == ["emotion", "pixels", "=note"]
    (again,) = read_raw(tmp_path / "first/emotion-aside.csv", "emotion")
    assert again["emotion"].tolist()[: len(FORMULAS)] == table["emotion"].tolist()[: len(FORMULAS)]
    mended = aside.assign(emotion=[str(row % 5) for row in range(len(aside))])
    mended.loc[:, "pixels"] = [text.removeprefix("-") for text in mended["pixels"]]
    mended.to_csv(tmp_path / "mended.csv", index=False)
    valid, aside = through("emotion", str(tmp_path / "mended.csv"), tmp_path / "second", settings)
    assert len(valid) == len(mended)
    assert aside.empty


def test_a_quarantine_s_negative_coordinates_are_numbers_still(tmp_path: Path) -> None:
    table = keypoint_rows(12)
    table.loc[3, "nose_tip_x"] = "-3.5"
    table.loc[4, "nose_tip_x"] = "=1"
    table.to_csv(tmp_path / "mine.csv", index=False)
    _, aside = through("keypoints", str(tmp_path / "mine.csv"), tmp_path / "first", rules(max_quarantined=0.5))
    assert aside["nose_tip_x"].tolist() == ["-3.5", "'=1"]
    (again,) = read_raw(tmp_path / "first/keypoints-aside.csv", "keypoints")
    assert again["nose_tip_x"].tolist() == ["-3.5", "=1"]


def test_persons_named_like_formulas_stay_together_and_themselves(tmp_path: Path) -> None:
    names = ["=A1", "-b", "'=A1"]
    table = keypoint_rows(24).assign(person=[names[row % 3] for row in range(24)])
    table.to_csv(tmp_path / "mine.csv", index=False)
    valid, _ = through("keypoints", str(tmp_path / "mine.csv"), tmp_path, rules())
    # What a user's own table holds with a quote before it reads as without: the quote is what protects it.
    assert set(valid["person"]) == {"=A1", "-b"}


def test_no_path_in_the_inbox_s_list_begins_a_formula(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They begin with the inbox's own path, so the list, which is read back, needs no protection."""
    monkeypatch.chdir(tmp_path)
    INBOX.mkdir(parents=True)
    (INBOX / "=1+1.png").write_bytes(b"a picture")
    files = arrived(INBOX, Path("data/from_inbox"))
    assert list(files) == ["data/inbox/=1+1.png"]


def test_names_of_files_are_protected_wherever_a_csv_lists_them(tmp_path: Path) -> None:
    names = ["=1+1.png", "-x.png", "face.png"]
    frame = pd.DataFrame({"source": names, "row": [-1, 0, 1], "confidence": [-0.5, 0.5, 1.0]})
    frame.to_parquet(tmp_path / "predictions.parquet")
    write_csv(tmp_path)
    assert pd.read_csv(tmp_path / "predictions.csv")["source"].tolist() == ["'=1+1.png", "'-x.png", "face.png"]
    assert pd.read_csv(tmp_path / "predictions.csv")["confidence"].tolist() == [-0.5, 0.5, 1.0]
    picture = tmp_path / "=tree/train/happy/=1+1.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(cv2.imencode(".png", np.zeros((48, 48), np.uint8))[1].tobytes())
    (tmp_path / "tree").mkdir()
    picture.parents[2].rename(tmp_path / "tree/=tree")
    raw = bring_in("emotion", str(tmp_path / "tree"), tmp_path / "raw.csv")
    assert pd.read_csv(raw)["file"].tolist() == ["'=tree/train/happy/=1+1.png"]
    (table,) = read_raw(raw, "emotion")
    assert table["file"].tolist() == ["=tree/train/happy/=1+1.png"]


EVIL = [
    "![x](http://evil/x.png)",
    "[click](javascript:alert(1))",
    "<img src=x onerror=alert(1)>",
    "`code`",
    "a|b",
    "*b* _i_ ~~s~~",
    "# head\n# head",
    "https://evil.example",
    "www.evil.example",
    "a@evil.example",
    "&lt;b&gt;",
]


@pytest.mark.parametrize("text", EVIL)
def test_markdown_shows_a_text_as_it_is(text: str) -> None:
    commonmark = MarkdownIt("gfm-like", {"linkify": False})
    shown = commonmark.render(markdown(text))
    tokens = commonmark.parseInline(markdown(text))[0].children or []
    assert {token.type for token in tokens} <= {"text", "text_special"}, shown
    assert "".join(token.content for token in tokens) == text.replace("\n", "\\n")
    assert not re.search(r"(?<!\\)://", markdown(text))
    assert "www." not in markdown(text)


def test_controls_of_terminals_are_written_out() -> None:
    assert visible("a\x1b[2Jb\rc\x07\x9b31m\u202etxt.exe") == "a\\x1b[2Jb\\rc\\x07\\x9b31m\\u202etxt.exe"
    assert visible("two\nlines") == "two\\nlines"
    assert visible("two\nlines", lines=True) == "two\nlines"
    assert visible("name\udcff") == "name\\xff"
    assert visible("Gr\u00fc\u00dfe, \u4eba, \U0001f600\tx") == "Gr\u00fc\u00dfe, \u4eba, \U0001f600\tx"


NAME = "evil\x1b]0;owned\x07![x](http://evil)\nroot: done.png"


def test_logs_tables_and_errors_show_no_control_of_a_name(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "api", api.Api(None, "none"))
    with caplog.at_level("INFO", "faces"):
        api.log(f"{NAME}: is empty")
    (line,) = [record.getMessage() for record in caplog.records]
    assert not set("\x1b\x07\n") & set(line)
    shown = io.StringIO()
    monkeypatch.setattr(api, "console", Console(file=shown))
    api.leave_table("names", [{"name": NAME}], f"of {NAME}")
    assert "owned" in shown.getvalue()
    assert not set("\x1b\x07") & set(shown.getvalue())


def test_what_prefect_renders_is_escaped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sent: list[dict[str, Any]] = []
    pytest.importorskip("prefect.artifacts")
    monkeypatch.setattr(api, "api", SimpleNamespace(url="http://127.0.0.1:9/api"))
    monkeypatch.setattr(api, "log", lambda message: None)
    monkeypatch.setattr(api, "console", Console(file=io.StringIO()))
    monkeypatch.setattr(api, "_send", lambda make, *args, **kwargs: sent.append(kwargs))
    (tmp_path / "a.png").write_bytes(b"")
    api.leave_table("names", [{"name": NAME}], NAME)
    api.leave_picture("picture", tmp_path / "a.png", NAME)
    api.leave_markdown("text", "**bold**", NAME)
    assert [each["description"] for each in sent] == [markdown(NAME)] * 3
    assert sent[2]["markdown"] == "**bold**"
    assert "\x1b" not in json.dumps(sent[0]["table"])


def test_the_page_of_a_pipeline_shows_what_a_stage_said_as_text(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    left: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline_report, "leave_markdown", lambda key, text, description: left.append(text))
    lane = Lane("ingest", "Failed", 1.0, f"{NAME.splitlines()[0]} | [x](y)", None)
    report: Any = getattr(report_pipeline, "fn", report_pipeline)
    report([lane], {}, 0.0)
    assert "![x]" not in left[0]
    assert "[x](y)" not in left[0]
    assert r"\!\[x\]\(http\://evil\)" in left[0]


@pytest.mark.parametrize("error", [InputError, SettingsError])
def test_a_stage_that_fails_says_so_without_control(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from flows import stage

    def failing(*arguments: object) -> None:
        raise error(f"{NAME}: cannot be read")

    def leave(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setattr(stage, "_arguments", lambda flow: {})
    monkeypatch.setattr(stage, "_leave", leave)
    monkeypatch.setattr(stage.signal, "signal", lambda *args: None)
    monkeypatch.setattr(stage.api, "run", failing)
    with pytest.raises(SystemExit, match="1"):
        stage.main(failing)
    said = capsys.readouterr().err
    assert "\\x1b]0;owned\\x07" in said
    assert not set("\x1b\x07") & set(said)
