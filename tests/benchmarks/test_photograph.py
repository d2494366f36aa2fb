"""The benchmark of one photograph: a row per way, with the libraries that it imported."""

from pathlib import Path

import pytest

from benchmarks.photograph import LARGE, main
from tests.conftest import ROOT


def test_each_way_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--model-set", "fast", "--turns", "1", "--other", str(ROOT)])
    title, *lines = capsys.readouterr().out.splitlines()
    assert title.strip() == "One photograph of six faces, fast"
    rows = [[cell.strip() for cell in line[1:-1].split("│")] for line in lines if line.startswith("│")]
    assert [row[0] for row in rows if row[0]] == ["int8", "float32", ROOT.name]
    assert rows[0][2] == "1.00"
    for row in rows:
        if row[0]:
            assert float(row[1].split()[0]) > 0
            assert float(row[3]) > 50
    assert set(" ".join(row[4] for row in rows).replace(",", " ").split()) == {"openvino"}
    assert "openvino" in LARGE


def test_a_failing_command_is_shown(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="failed"):
        main(["--turns", "1", "--other", str(tmp_path)])
