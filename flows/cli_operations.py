"""Commands for operators: server, worker, settings, versions; and hidden ones, which processes of this project run."""

import runpy
import sys
from typing import Annotated

import typer

PASS_ON = {"ignore_unknown_options": True, "help_option_names": []}
"""For commands that hand their arguments to another program."""


ServerOnly = Annotated[bool, typer.Option("--server-only", help="Only the server, without worker and deployments.")]


def up(server_only: ServerOnly = False) -> None:
    """Start server, worker and schedules.

    Applies the deployments of prefect.yaml.
    """
    from flows.runner import reporting_errors

    with reporting_errors("up"):
        from tasks.operations import api_server

        if server_only:
            print(f"Prefect: {api_server.ensure_api().removesuffix('/api')}")
        else:
            import params
            from tasks.operations.worker import up

            address = up(params.load().pipeline).removesuffix("/api")
            print(f"Prefect: {address}; a worker waits for the runs of its deployments")
        print(api_server.sign_in_help())


def down() -> None:
    """Stop the worker with its runs, and the server."""
    from flows.runner import reporting_errors

    with reporting_errors("down"):
        from tasks.operations.worker import down

        print(f"Stopped: {', '.join(down()) or 'nothing was running'}.")


def status() -> None:
    """Show server, worker and scheduled runs."""
    from flows.runner import reporting_errors

    with reporting_errors("status"):
        from tasks.operations.api_server import sign_in_help
        from tasks.operations.worker import status_lines

        print("\n".join(status_lines()))
        print(sign_in_help())


def check() -> None:
    """Check the settings and the files they name.

    Of the two raw tables, the columns too, unless they are at an address.
    """
    from flows.runner import reporting_errors

    with reporting_errors("check"):
        import params
        from tasks.data.ingestion import check_sources

        params.check()
        check_sources(params.load().ingest.model_dump())
        print("The settings are valid.")


def versions() -> None:
    """List the registered model versions."""
    from flows.runner import reporting_errors

    with reporting_errors("versions"):
        from tasks.release.versions import print_versions

        print_versions()


Arguments = Annotated[list[str] | None, typer.Argument()]


def worker(pool: str, name: str) -> None:
    """Run a worker of the deployments; `up` starts it."""
    sys.argv = ["prefect", "worker", "start", "--pool", pool, "--name", name]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


def repro(arguments: Arguments = None) -> None:
    """Run one stage by DVC; the pipeline starts it."""
    from dvc.cli import main

    sys.exit(main(["--wait-for-lock", "repro", "--single-item", *(arguments or [])]))


def dask_worker(arguments: Arguments = None) -> None:
    """Run a Dask worker that scores for `score --dask`; the arguments are those of Dask's own command."""
    from distributed.cli.dask_worker import main

    main(args=arguments or [], prog_name="dask-worker")
