"""Fuzzes the readers: `python -m tests.readers.fuzz KIND FIRST COUNT FOLDER` makes tries and writes their findings.

A try is determined by its kind and number. It runs in a child process, so that a crash is a finding.
"""

import faulthandler
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from tasks.common.files import InputError
from tests.readers.fuzz_mutations import mutated, repacked
from tests.readers.fuzz_readers import read_batch, read_image, read_table
from tests.readers.fuzz_seeds import picture_seeds, table_seeds

SECONDS, GROWTH, SPACE = 10, 300, 3 * 2**30
"""Limits of a try: seconds of CPU time, and MiB of memory and bytes of address space beyond those before all tries."""
BATCH = 100
"""Images per batch, which is also read as one shard and as one training folder."""
FAULTS: dict[str, Callable[[], object]] = {
    "raises": lambda: os.environ["NO SUCH NAME"],
    "crashes": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "hangs": lambda: signal.raise_signal(signal.SIGPROF),
    "takes memory": lambda: len(bytearray(b"1") * ((GROWTH + 100) * 2**20)),
}
"""Kinds of tries with a fault, to check that it is found."""
KINDS = (*picture_seeds(), *table_seeds())


def content_of_try(kind: str, number: int) -> bytes:
    """The bytes of a try; the first tries are the seeds themselves."""
    seeds = (picture_seeds() | table_seeds())[kind]
    if number < len(seeds):
        return seeds[number]
    random = Random(f"{kind} {number}")
    damage = random.choice((mutated, repacked))
    return damage(random.choice(seeds), random.choice(seeds), random)


def one_try(kind: str, content: bytes, folder: Path) -> bool:
    if kind in FAULTS:
        return bool(FAULTS[kind]())
    try:
        return read_image(content) if kind in picture_seeds() else read_table(kind, content, folder)
    except InputError:  # of a table or an archive as a whole
        return False


def tries(kind: str, numbers: range, folder: Path, place: int) -> dict[str, Any]:
    """The results of tries: the count decoded, the slowest, the memory, and the errors.

    `place` is the descriptor of a file that names the current try, which the parent reads if this process ends.
    """
    failures, decoded, slowest, contents = [], 0, 0.0, []
    most, start = memory() + GROWTH, time.process_time()
    for number in numbers:
        content = b"" if kind in FAULTS else content_of_try(kind, number)
        os.pwrite(place, f"{kind} {number}".ljust(40).encode(), 0)
        began, before = time.process_time(), memory()
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            decoded += one_try(kind, content, folder)
            contents.append(content)
            if kind in picture_seeds() and (len(contents) == BATCH or number == numbers[-1]):
                batch, contents = contents, []
                read_batch(batch, folder)
        except Exception as error:
            failures.append(f"{kind} {number}: {type(error).__name__}: {error}"[:300])
        signal.setitimer(signal.ITIMER_PROF, 0)
        slowest = max(slowest, time.process_time() - began)
        if memory() > max(before, most):
            failures.append(f"{kind} {number}: {memory() - before} MiB more in memory")
    found = {"decoded": decoded, "slowest": slowest, "seconds": time.process_time() - start}
    return {"kind": kind, "tries": len(numbers), **found, "growth": memory() - most + GROWTH, "failures": failures}


def memory() -> int:
    """The peak memory of this process, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (2**20 if sys.platform == "darwin" else 1024)


def bound_address_space() -> None:
    """Limit the address space, on Linux only: other systems do not report how much is in use."""
    if sys.platform != "linux":
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + SPACE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main(kinds: str, first: str, count: str, folder: str) -> None:
    faulthandler.enable()
    bound_address_space()
    faulthandler.register(signal.SIGPROF, chain=True)
    place = os.open(Path(folder, "try"), os.O_CREAT | os.O_WRONLY)
    found = [tries(kind, range(int(first), int(first) + int(count)), Path(folder), place) for kind in kinds.split(",")]
    Path(folder, "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
