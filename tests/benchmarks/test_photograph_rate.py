"""The benchmark of photographs a second runs."""

import pytest

from benchmarks.photograph_rate import main


def test_each_detector_has_a_row_for_each_number_of_faces(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--photographs", "1", "--repeats", "1", "--model-set", "fast"])
    out = capsys.readouterr().out
    rows = [line.split("│") for line in out.splitlines() if "│" in line]
    assert [row[2].strip() for row in rows] == ["cascade", "CenterFace"] * 3
