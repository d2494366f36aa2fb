"""Release the networks that a project's gate let pass, with what was measured.

    python -m benchmarks.release PROJECT [--name released] [--origin FILE]

PROJECT is a clone of this repository in which `dvc repro` has trained on real faces. Copies both networks and a verdict
to `models/NAME`, writes the page beside them, and docs/NAME.md with its charts. No picture of a face is copied. FILE
is what the page is to say of networks that came about in another way than by `dvc repro` alone.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.release_page import CHARTS, HEADS, SETS, evidence, git, page, read_json

LARGEST_BYTES = 20_000_000
"""Of all networks that are released, together."""


def release(project: Path, name: str, origin: str) -> None:
    """Write both folders of that name.

    Raises SystemExit for networks that are too large, did not pass, or cannot be made again.
    """
    verdict = read_json(project / "reports/verdict.json")
    if not verdict["passed"]:
        raise SystemExit(f"{project}: the gate did not let these networks pass")
    if changed := set(git(project, "diff", "HEAD", "--name-only", "--", "*.py", "dvc.yaml").split()):
        raise SystemExit(f"{project}: changed since its revision, so nobody could make these again: {sorted(changed)}")
    if subprocess.run([sys.executable, "-m", "dvc", "status", "--quiet"], cwd=project, check=False).returncode:
        raise SystemExit(f"{project}: what is on disk is not what `dvc repro` would leave; run it, or see `dvc status`")
    paths = {head: project / verdict["models"][head]["path"] for head in HEADS}
    others = [path for other in SETS if other != name for path in Path("models", other).glob("*.keras")]
    if (size := sum(path.stat().st_size for path in [*paths.values(), *others])) > LARGEST_BYTES:
        raise SystemExit(f"{project}: {size:,} bytes of networks, all sets; at most {LARGEST_BYTES:,} are released")
    models, charts = Path("models", name), Path("docs", name)
    for folder in (models, charts):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    (models / "README.md").write_text(page(project, verdict, name, origin))
    charts.with_suffix(".md").write_text(evidence(project, name))
    for head in HEADS:
        shutil.copyfile(paths[head], models / f"{head}.keras")
        shutil.copyfile(project / f"reports/metrics/{head}.json", charts / f"{head}.json")
        verdict["models"][head]["path"] = str(models / f"{head}.keras")
        for chart in CHARTS[head]:
            shutil.copyfile(project / f"reports/evaluate/{head}/{chart}.png", charts / f"{head}-{chart}.png")
    (models / "verdict.json").write_text(json.dumps(verdict, indent=2) + "\n")
    print(f"released to {models}; {size:,} bytes of networks, all sets", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("--name", choices=SETS, default="released")
    parser.add_argument("--origin", type=Path)
    options = parser.parse_args()
    release(options.project, options.name, options.origin.read_text() if options.origin else "")


if __name__ == "__main__":
    main()
