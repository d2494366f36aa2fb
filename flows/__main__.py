"""`python -m flows`: the command line. Stages, deployments and workers use it in this form, see README."""

from tasks.common import process


def main() -> None:
    process.prepare()
    # Imported here: libraries read the environment variables when they are imported.
    from flows.cli import make_app

    make_app()()


if __name__ == "__main__":
    main()
