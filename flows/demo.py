"""`make demo`: check the settings, start the server, run every stage, and print a summary."""

import json
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

import params
from tasks.common.files import InputError
from tasks.data.ingestion import check_sources
from tasks.operations import api_server
from tasks.orchestration import git_revision, server_access, stage_files

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


def run_all(has_api: bool) -> int:
    """Run every stage that is out of date, by `faces pipeline` if there is an API, else by `dvc repro`; exit status.

    The pipeline runs stages that do not need each other side by side. The first time, every stage runs, so that each is
    recorded: with the committed `dvc.lock`, DVC would skip a stage whose outputs it knows without running it.
    """
    force = []
    if stage_files.nothing_has_run():
        print("No stage has run here yet: running all stages.", flush=True)
        force = ["--force"]
    program = ["flows", "pipeline"] if has_api else ["dvc", "repro"]
    return subprocess.run([sys.executable, "-m", *program, *force], check=False).returncode


def metrics_table() -> Table:
    """Return a table of test metrics and their baselines."""
    reports = {model_name: json.loads(Path(f"reports/metrics/{model_name}.json").read_text()) for model_name in SHOWN}
    leaky = [model_name for model_name, metrics in reports.items() if metrics["is_leaky"]]
    title = f"On a split that LEAKS: {', '.join(leaky)}" if leaky else "On unseen test faces"
    table = Table(title=title, title_justify="left")
    for column in ("model", "metric", "value", "baseline", "baseline is"):
        table.add_column(column)
    for model_name, rows in SHOWN.items():
        for name, key, baseline_key, baseline in rows:
            metrics = reports[model_name]
            table.add_row(model_name, name, f"{metrics[key]:.3f}", f"{metrics[baseline_key]:.3f}", baseline)
    return table


def summary(console: Console, address: str | None) -> None:
    """Print metrics, gate result, and the paths of all results."""
    console.print(metrics_table())
    gate_result = json.loads(Path("reports/gate.json").read_text())
    passed = sum(check["outcome"] == "passed" for check in gate_result["checks"])
    checks = f"{passed} of {len(gate_result['checks'])} checks passed"
    console.print(f"Gate         {gate_result['outcome']}: {checks} (reports/gate.json)")
    console.print("Predictions  data/scored/predictions.parquet and .csv")
    console.print("Figures      reports/score/predictions.png; more in reports/figures/*/")
    console.print("Bad rows     data/quarantine/*.csv; validation results: reports/validation/")
    if address:
        stop = " (`make down` stops the server)" if address == server_access.own_address() else ""
        console.print(f"Runs         {address.removesuffix('/api')}/runs{stop}")
        console.print(api_server.sign_in_help(), markup=False, soft_wrap=True)


def demo() -> None:
    """Run all stages and print the results. Exits with the status of the run if it fails."""
    console = Console(highlight=False)
    params.check()
    check_sources(params.load().ingest.model_dump())
    print("The settings are valid.")
    if why := git_revision.trouble():
        raise InputError(why)
    console.print("Starting the project's Prefect server, unless an API responds ...")
    try:
        address = api_server.ensure_api()
    except InputError as error:
        address = None
        console.print(f"{error}.\nThe stages run, but are not recorded.", markup=False, soft_wrap=True)
    status = run_all(has_api=address is not None)
    if status:
        sys.exit(status)
    summary(console, address)
