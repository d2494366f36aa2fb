"""`make demo`: check the settings, start the server, run every stage, and say in a few lines what came of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

import params
from flows import serve
from tasks.common.files import InputError
from tasks.orchestration import git_revision, server_access

SHOWN = {
    "keypoints": [
        ("NME", "nme", "baseline_nme", "mean face"),
        ("RMSE, px", "rmse_px", "baseline_rmse_px", "mean face"),
    ],
    "emotion": [
        ("accuracy", "accuracy", "baseline_accuracy", "majority class"),
        ("accuracy", "accuracy", "baseline_pixel_logistic_accuracy", "pixel logistic regression"),
        ("macro F1", "macro_f1", "baseline_macro_f1", "majority class"),
    ],
}


def repro() -> int:
    """Run `dvc repro` with the environment's own programs first on the path; its exit status.

    Where nothing has run yet, every stage runs, so that there is a record of each: with the committed `dvc.lock`, DVC
    skips a stage whose outputs it can tell without running it.
    """
    force = [] if Path("data").exists() else ["--force"]
    binaries = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": os.pathsep.join([binaries, os.environ.get("PATH", "")])}
    return subprocess.run([str(Path(binaries) / "dvc"), "repro", *force], env=environment, check=False).returncode


def metrics_table() -> Table:
    """The test metrics beside their baselines."""
    metrics = {head: json.loads(Path(f"reports/metrics/{head}.json").read_text()) for head in SHOWN}
    leaking = [head for head, figures in metrics.items() if figures["leaking"]]
    title = f"On a split that LEAKS: {', '.join(leaking)}" if leaking else "On test faces never seen"
    table = Table(title=title, title_justify="left")
    for column in ("head", "metric", "network", "baseline", "which is"):
        table.add_column(column)
    for head, rows in SHOWN.items():
        for name, ours, theirs, what in rows:
            table.add_row(head, name, f"{metrics[head][ours]:.3f}", f"{metrics[head][theirs]:.3f}", what)
    return table


def summary(console: Console, address: str | None) -> None:
    """Print metrics, verdict, and where everything lies."""
    console.print(metrics_table())
    verdict = json.loads(Path("reports/verdict.json").read_text())
    passed = sum(rule["outcome"] == "passed" for rule in verdict["rules"])
    rules = f"{passed} of {len(verdict['rules'])} rules hold"
    console.print(f"Gate         {verdict['outcome']}: {rules} (reports/verdict.json, .png)")
    console.print("Predictions  data/scored/predictions.parquet, and .csv beside it")
    console.print("Pictures     reports/score/predictions.png; more in reports/*/")
    console.print("Bad rows     data/quarantine/*.csv; what was judged: reports/validation/")
    if address:
        stop = " (`make down` stops the server)" if address == server_access.own_address() else ""
        console.print(f"Runs         {address.removesuffix('/api')}/runs{stop}")
        console.print(serve.access(), markup=False, soft_wrap=True)


def main() -> None:
    console = Console(highlight=False)
    params.main()
    if why := git_revision.trouble():
        sys.exit(why)
    console.print("Starting the project's Prefect server, unless one answers ...")
    try:
        address = serve.up()
    except InputError as error:
        address = None
        console.print(f"{error}.\nThe stages run without a record of their runs.", markup=False, soft_wrap=True)
    status = repro()
    if status:
        sys.exit(status)
    summary(console, address)


if __name__ == "__main__":
    main()
