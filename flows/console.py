"""The command `faces` for people: the command line of the checkout that it is installed from, in that checkout only.

Stages, deployments and workers run `python -m flows`, which takes the code of the current folder.
"""

import os
import sys
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
"""The checkout that this code belongs to."""

ANYWHERE = {"-h", "--help", "--show-completion", "--install-completion"}
"""Options that touch no file of a checkout."""


def main() -> None:
    """Run the command line. Exits with 2, and the reason, if the current folder is not this checkout."""
    if "_FACES_COMPLETE" not in os.environ and (reason := _refusal(sys.argv[1:])):
        print(reason, file=sys.stderr)
        sys.exit(2)
    # As `python -m flows` there. Imported only now: it is the wrong code if the folder is refused.
    sys.path.insert(0, str(CHECKOUT))
    from flows.__main__ import main as run

    run()


def _refusal(arguments: list[str]) -> str | None:
    """Why the command must not run in the current folder, and the remedy; None if it may."""
    folder = _current_folder()
    if folder == CHECKOUT:
        return None
    found = next((place for place in (folder, *folder.parents) if _is_checkout(place)), None) if folder else None
    if found and found != CHECKOUT:
        return (
            f"This command belongs to the checkout {CHECKOUT}, but the current folder is in another one, {found}.\n"
            f"Run {found}/.venv/bin/faces (`make` installs it), or in {found} `python -m flows`."
        )
    if not arguments or ANYWHERE & {argument.partition("=")[0] for argument in arguments}:
        return None
    return f"This command runs in the folder of its project only: cd {CHECKOUT}"


def _current_folder() -> Path | None:
    try:
        return Path.cwd().resolve()
    except FileNotFoundError:  # removed in the meantime
        return None


def _is_checkout(folder: Path) -> bool:
    """Whether a folder is a checkout of this project."""
    try:
        with (folder / "pyproject.toml").open("rb") as handle:
            name = tomllib.load(handle).get("project", {}).get("name")
        return name == "faces" and (folder / "dvc.yaml").is_file() and (folder / "flows").is_dir()
    except (OSError, ValueError, AttributeError):
        return False
