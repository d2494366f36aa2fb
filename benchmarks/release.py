"""Release the networks that a project's gate let pass, with what was measured: `python -m benchmarks.release PROJECT`.

PROJECT is a clone of this repository in which `dvc repro` has trained on real faces. Copies both networks and a verdict
to `models/released`, writes the page beside them, and docs/released.md with its charts. No picture of a face is copied.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.release_page import CHARTS, HEADS, evidence, git, page, read_json

LARGEST_BYTES = 20_000_000


def release(project: Path, models: Path, docs: Path) -> None:
    """Write both folders. Raises SystemExit for networks that are too large, did not pass, or cannot be made again."""
    verdict = read_json(project / "reports/verdict.json")
    if not verdict["passed"]:
        raise SystemExit(f"{project}: the gate did not let these networks pass")
    if changed := set(git(project, "diff", "HEAD", "--name-only", "--", "*.py", "dvc.yaml").split()):
        raise SystemExit(f"{project}: changed since its revision, so nobody could make these again: {sorted(changed)}")
    if subprocess.run([sys.executable, "-m", "dvc", "status", "--quiet"], cwd=project, check=False).returncode:
        raise SystemExit(f"{project}: what is on disk is not what `dvc repro` would leave; run it, or see `dvc status`")
    paths = {head: project / verdict["models"][head]["path"] for head in HEADS}
    if (size := sum(path.stat().st_size for path in paths.values())) > LARGEST_BYTES:
        raise SystemExit(f"{project}: {size:,} bytes of networks; at most {LARGEST_BYTES:,} are released")
    for folder in (models, docs / "released"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    (models / "README.md").write_text(page(project, verdict))
    (docs / "released.md").write_text(evidence(project, "released"))
    for head in HEADS:
        shutil.copyfile(paths[head], models / f"{head}.keras")
        shutil.copyfile(project / f"reports/metrics/{head}.json", docs / f"released/{head}.json")
        verdict["models"][head]["path"] = f"models/released/{head}.keras"
        for chart in CHARTS[head]:
            shutil.copyfile(project / f"reports/evaluate/{head}/{chart}.png", docs / f"released/{head}-{chart}.png")
    (models / "verdict.json").write_text(json.dumps(verdict, indent=2) + "\n")
    print(f"released {size:,} bytes of networks to {models}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("--models", type=Path, default=Path("models/released"))
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    options = parser.parse_args()
    release(options.project, options.models, options.docs)


if __name__ == "__main__":
    main()
