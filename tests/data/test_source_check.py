"""`faces check` gives the messages of `ingest` from the beginning of the raw tables."""

import gzip
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import flows.runner
import tasks.data.parquet_tables
import tasks.readers.image_folder
from flows import cli_operations
from tasks.common.files import InputError
from tasks.data.ingestion import bring_in, check_sources
from tests.conftest import ROOT, copy_settings, set_params
from tests.readers.test_refused_inputs import FACE, PNG, REFUSED, STRUCT, WITHOUT_BYTES, tree


def message_of(model_name: str, source: str) -> str:
    with pytest.raises(InputError) as raised:
        bring_in(model_name, source, Path("out.csv"))
    return str(raised.value)


@pytest.mark.parametrize("name", [*REFUSED, *WITHOUT_BYTES, "labels.csv", "keypoints"])
def test_the_message_is_that_of_ingest(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model_name = "keypoints" if name == "keypoints" else "emotion"
    if name in WITHOUT_BYTES:
        pq.write_table(pa.table({"image": WITHOUT_BYTES[name][0], "label": range(9)}), name)
    elif name in REFUSED:
        REFUSED[name][0](Path(name))
    else:
        Path(name).write_text(f"pixels,LABEL,Label\n{FACE},3,3\n")
    with pytest.raises(InputError) as raised:
        check_sources({model_name: name})
    assert str(raised.value) == message_of(model_name, name)


def test_both_tables_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.csv", "b.csv"):
        Path(name).write_text(f"id,pixels\n1,{FACE}\n")
    with pytest.raises(InputError) as raised:
        check_sources({"keypoints": "a.csv", "emotion": "b.csv"})
    assert str(raised.value) == f"{message_of('keypoints', 'a.csv')}\n{message_of('emotion', 'b.csv')}"


def test_only_the_beginning_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = gzip.compress(b"emotion,pixels\n" + f"3,{FACE}\n".encode() * 2000)
    Path("cut.csv.gz").write_bytes(content[: len(content) - 9])
    check_sources({"emotion": "cut.csv.gz"})
    assert "cannot be unpacked" in message_of("emotion", "cut.csv.gz")

    def fail(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(tasks.readers.image_folder, "_pixel_text", fail)
    monkeypatch.setattr(tasks.data.parquet_tables, "_pixels", fail)
    tree("happy/a.png", "sad/b.png")(Path("faces"))
    images = pa.array([{"bytes": PNG, "path": None}] * 2, STRUCT)
    pq.write_table(pa.table({"image": images, "label": ["happy", "sad"]}), "faces.parquet")
    for source in ("faces", "faces.parquet", "absent.csv", "https://localhost:9/faces.csv"):
        check_sources({"emotion": source})


def test_the_command_checks_the_tables_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_settings(tmp_path)
    (tmp_path / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"pixels": [FACE]}).to_csv("faces.csv", index=False)
    set_params(tmp_path, ingest__emotion="faces.csv")
    monkeypatch.setattr(flows.runner, "_leave", sys.exit)
    monkeypatch.setattr(flows.runner.signal, "signal", lambda *args: None)
    with pytest.raises(SystemExit, match="1"):
        cli_operations.check()
    assert "no column emotion; found pixels; " in capsys.readouterr().err
    pd.DataFrame({"emotion": [3], "pixels": [FACE]}).to_csv("faces.csv", index=False)
    cli_operations.check()
    assert "The settings are valid." in capsys.readouterr().out
