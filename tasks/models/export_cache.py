"""Exports of versions that were registered without any: made once, in a separate process, and kept by model hash."""

import json
import subprocess
import sys
from pathlib import Path

from tasks.common.files import InputError, sha256, whole_folder
from tasks.orchestration.artifacts import log

CACHE = Path("models/fetched/exports")
MODEL, RECORD = "float32.onnx", "export.json"
CODE = Path(__file__).resolve().parents[2]
"""The checkout that this code belongs to; the current folder may be another one."""


def exported_once(model_path: Path, model_sha256: str) -> Path:
    """The float32 export of a model file with this hash; made if the cache has none.

    TensorFlow is imported by the other process only. Raises InputError if the cached file is not the one that was
    written there, or the export fails.
    """
    folder = CACHE / model_sha256
    if not folder.exists():
        log(f"{model_path}: exporting for scoring, once; later runs read {folder}")
        try:
            with whole_folder(folder) as made:
                _export(model_path, made / MODEL)
                (made / RECORD).write_text(json.dumps({"sha256": sha256(made / MODEL)}) + "\n")
        except InputError:
            # Another run may have exported the same model in the meantime.
            if not folder.exists():
                raise
    try:
        is_unchanged = json.loads((folder / RECORD).read_text())["sha256"] == sha256(folder / MODEL)
    except (OSError, ValueError, KeyError, TypeError):
        is_unchanged = False
    if not is_unchanged:
        raise InputError(f"{folder / MODEL}: not the file that was exported; remove {folder} to export it again")
    return folder / MODEL


def _export(model_path: Path, out: Path) -> None:
    command = [sys.executable, "-m", "tasks.models.onnx_files", str(model_path.absolute()), str(out.absolute())]
    done = subprocess.run(command, cwd=CODE, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise InputError(f"{model_path}: could not be exported: {reason}")
