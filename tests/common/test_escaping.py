"""Untrusted texts are escaped: no formula in a spreadsheet, no link in Markdown, no control of a terminal."""

import csv
import io
import json
import re
from pathlib import Path
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
from tasks.operations.pipeline_run import StageResult
from tasks.orchestration import artifacts
from tasks.readers.raw_csv import header, read_raw
from tasks.scoring.inbox import arrived
from tasks.scoring.summary import write_csv
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
def test_a_formula_is_quoted_and_unquoted(text: str) -> None:
    assert protect(text) == f"'{text}"
    assert unprotect(protect(text)) == text
    assert unprotect(protect(protect(text))) == protect(text)


@pytest.mark.parametrize("text", PLAIN)
def test_numbers_and_other_texts_are_unchanged(text: str) -> None:
    assert protect(text) == unprotect(text) == text


@given(st.text(alphabet="'=+-@\t\r\n 0129.ea\uff0d"))
def test_protect_is_reversible_and_gives_no_formula(text: str) -> None:
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


def test_a_quarantine_has_no_formula_and_can_be_ingested_again(tmp_path: Path) -> None:
    """The labels and the name of an unused column are formulas; then the labels are corrected."""
    table = emotion_rows(("a", "b", "c", "d", "e"), 60).rename(columns={"Usage": "=note"})
    table.loc[: len(FORMULAS) - 1, "emotion"] = FORMULAS
    table["pixels"] = [f"-{text}" if row == 20 else text for row, text in enumerate(table["pixels"])]
    table["=note"] = FORMULAS[0]
    table.to_csv(tmp_path / "mine.csv", index=False, quoting=csv.QUOTE_ALL)
    settings = rules(max_invalid_fraction=0.9, min_rows=1)
    valid, quarantined = through("emotion", str(tmp_path / "mine.csv"), tmp_path / "first", settings)
    assert len(valid) + len(quarantined) == 60
    text = (tmp_path / "first/emotion-aside.csv").read_text(encoding="utf-8")
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    # A pixel text that starts with a negative number is not escaped.
    assert [cell[:9] for cell in cells if cell and protect(cell) != cell and not cell.startswith("'")] == []
    assert {"'=note", "'=1+1", "'\t=1"} <= set(cells)
    assert header(tmp_path / "first/emotion-aside.csv")[2:] == ["emotion", "pixels", "=note"]
    (again,) = read_raw(tmp_path / "first/emotion-aside.csv", "emotion")
    assert again["emotion"].tolist()[: len(FORMULAS)] == table["emotion"].tolist()[: len(FORMULAS)]
    corrected = quarantined.assign(emotion=[str(row % 5) for row in range(len(quarantined))])
    corrected.loc[:, "pixels"] = [text.removeprefix("-") for text in corrected["pixels"]]
    corrected.to_csv(tmp_path / "corrected.csv", index=False)
    valid, quarantined = through("emotion", str(tmp_path / "corrected.csv"), tmp_path / "second", settings)
    assert len(valid) == len(corrected)
    assert quarantined.empty


def test_negative_coordinates_in_a_quarantine_are_not_escaped(tmp_path: Path) -> None:
    table = keypoint_rows(12)
    table.loc[3, "nose_tip_x"] = "-3.5"
    table.loc[4, "nose_tip_x"] = "=1"
    table.to_csv(tmp_path / "mine.csv", index=False)
    _, quarantined = through(
        "keypoints", str(tmp_path / "mine.csv"), tmp_path / "first", rules(max_invalid_fraction=0.5)
    )
    assert quarantined["nose_tip_x"].tolist() == ["-3.5", "'=1"]
    (again,) = read_raw(tmp_path / "first/keypoints-aside.csv", "keypoints")
    assert again["nose_tip_x"].tolist() == ["-3.5", "=1"]


def test_subjects_named_like_formulas_keep_their_names(tmp_path: Path) -> None:
    names = ["=A1", "-b", "'=A1"]
    table = keypoint_rows(24).assign(person=[names[row % 3] for row in range(24)])
    table.to_csv(tmp_path / "mine.csv", index=False)
    valid, _ = through("keypoints", str(tmp_path / "mine.csv"), tmp_path, rules())
    # A quote in a user's own table is read as protection, so a name with a quote equals the name without.
    assert set(valid["person"]) == {"=A1", "-b"}


def test_no_path_in_the_inbox_list_is_a_formula(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All paths start with the path of the inbox, so the list needs no protection."""
    monkeypatch.chdir(tmp_path)
    INBOX.mkdir(parents=True)
    (INBOX / "=1+1.png").write_bytes(b"an image")
    files = arrived(INBOX, Path("data/inbox_results"))
    assert list(files) == ["data/inbox/=1+1.png"]


def test_file_names_in_csv_files_are_protected(tmp_path: Path) -> None:
    names = ["=1+1.png", "-x.png", "face.png"]
    frame = pd.DataFrame({"source": names, "row": [-1, 0, 1], "confidence": [-0.5, 0.5, 1.0]})
    frame.to_parquet(tmp_path / "predictions.parquet")
    write_csv(tmp_path)
    assert pd.read_csv(tmp_path / "predictions.csv")["source"].tolist() == ["'=1+1.png", "'-x.png", "face.png"]
    assert pd.read_csv(tmp_path / "predictions.csv")["confidence"].tolist() == [-0.5, 0.5, 1.0]
    image = tmp_path / "=tree/train/happy/=1+1.png"
    image.parent.mkdir(parents=True)
    image.write_bytes(cv2.imencode(".png", np.zeros((48, 48), np.uint8))[1].tobytes())
    (tmp_path / "tree").mkdir()
    image.parents[2].rename(tmp_path / "tree/=tree")
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
def test_markdown_shows_a_text_literally(text: str) -> None:
    commonmark = MarkdownIt("gfm-like", {"linkify": False})
    shown = commonmark.render(markdown(text))
    tokens = commonmark.parseInline(markdown(text))[0].children or []
    assert {token.type for token in tokens} <= {"text", "text_special"}, shown
    assert "".join(token.content for token in tokens) == text.replace("\n", "\\n")
    assert not re.search(r"(?<!\\)://", markdown(text))
    assert "www." not in markdown(text)


def test_control_characters_are_escaped() -> None:
    assert visible("a\x1b[2Jb\rc\x07\x9b31m\u202etxt.exe") == "a\\x1b[2Jb\\rc\\x07\\x9b31m\\u202etxt.exe"
    assert visible("two\nlines") == "two\\nlines"
    assert visible("two\nlines", lines=True) == "two\nlines"
    assert visible("name\udcff") == "name\\xff"
    assert visible("Gr\u00fc\u00dfe, \u4eba, \U0001f600\tx") == "Gr\u00fc\u00dfe, \u4eba, \U0001f600\tx"


NAME = "evil\x1b]0;owned\x07![x](http://evil)\nroot: done.png"


def test_logs_and_tables_contain_no_control_characters(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with caplog.at_level("INFO", "faces"):
        artifacts.log(f"{NAME}: is empty")
    (line,) = [record.getMessage() for record in caplog.records]
    assert not set("\x1b\x07\n") & set(line)
    shown = io.StringIO()
    monkeypatch.setattr(artifacts, "console", lambda: Console(file=shown))
    artifacts.log_table("names", [{"name": NAME}], f"of {NAME}")
    assert "owned" in shown.getvalue()
    assert not set("\x1b\x07") & set(shown.getvalue())


def test_artifacts_for_prefect_are_escaped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sent: list[dict[str, Any]] = []
    pytest.importorskip("prefect.artifacts")
    monkeypatch.setattr(artifacts, "recording", lambda: True)
    monkeypatch.setattr(artifacts, "log", lambda message: None)
    monkeypatch.setattr(artifacts, "console", lambda: Console(file=io.StringIO()))
    monkeypatch.setattr(artifacts, "send", lambda make, *args, **kwargs: sent.append(kwargs))
    (tmp_path / "a.png").write_bytes(b"")
    artifacts.log_table("names", [{"name": NAME}], NAME)
    artifacts.log_figure("figure", tmp_path / "a.png", NAME)
    artifacts.log_markdown("text", "**bold**", NAME)
    assert [each["description"] for each in sent] == [markdown(NAME)] * 3
    assert sent[2]["markdown"] == "**bold**"
    assert "\x1b" not in json.dumps(sent[0]["table"])


def test_the_pipeline_report_escapes_messages_of_stages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    logged: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline_report, "log_markdown", lambda key, text, description: logged.append(text))
    result = StageResult("ingest", "Failed", 1.0, f"{NAME.splitlines()[0]} | [x](y)", None)
    report: Any = getattr(report_pipeline, "fn", report_pipeline)
    report([result], {}, 0.0)
    assert "![x]" not in logged[0]
    assert "[x](y)" not in logged[0]
    assert r"\!\[x\]\(http\://evil\)" in logged[0]


@pytest.mark.parametrize("error", [InputError, SettingsError])
def test_the_error_of_a_failed_stage_contains_no_control_characters(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from flows import runner

    def failing(*arguments: object) -> None:
        raise error(f"{NAME}: cannot be read")

    def exit_with(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setattr(runner, "_leave", exit_with)
    monkeypatch.setattr(runner.signal, "signal", lambda *args: None)
    with pytest.raises(SystemExit, match="1"), runner.reporting_errors("score"):
        failing()
    message = capsys.readouterr().err
    assert "\\x1b]0;owned\\x07" in message
    assert not set("\x1b\x07") & set(message)
