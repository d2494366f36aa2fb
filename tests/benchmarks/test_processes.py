"""Results of another process are returned, and its failure is an error."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.processes import measured_apart
from tests.conftest import ROOT


def test_the_json_that_a_module_prints_is_returned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("printing.py").write_text("import json, sys; print(json.dumps({'given': sys.argv[1:]}))")
    assert measured_apart("printing", "a b", "--c") == {"given": ["a b", "--c"]}
    Path("failing.py").write_text("raise SystemExit(3)")
    with pytest.raises(subprocess.CalledProcessError):
        measured_apart("failing")


def test_the_peak_grows_with_allocated_memory() -> None:
    code = "from benchmarks.processes import peak_mb; a = peak_mb(); data = b'1' * (100 * 2**20); print(a, peak_mb())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    before, after = map(float, done.stdout.split())
    assert before > 5
    assert 90 < after - before < 150
