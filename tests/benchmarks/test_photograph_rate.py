"""The benchmark of photographs a second runs."""

import pytest

from benchmarks.photograph_rate import main


def test_each_detector_has_a_row_for_each_number_of_faces(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--photographs", "1", "--repeats", "1", "--model-set", "fast"])
    out = capsys.readouterr().out
    assert out.count("CenterFace") == out.count("cascade │") == 3
