"""What the judged faces looked like, kept for drift to be told by."""

import json
from pathlib import Path

from faces.scoring.drift import pixel_properties, reference_of
from tasks.common.dataset import load_part
from tasks.common.files import replacing
from tasks.evaluation.predictions import load_evaluated
from tasks.orchestration.api import task


@task
def keep_reference(prepared: Path, predictions: Path, path: Path) -> Path:
    """Write what test faces look like, and what was said of them: on training faces a network is surer than it is."""
    test, said = load_part(prepared / "test.npz"), load_evaluated(predictions).predicted
    found = reference_of(test.classes[said.argmax(axis=1)], pixel_properties(test.images) | {"confidence": said.max(1)})
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(found._asdict()) + "\n")
    return path
