"""Start one command, and write its exit status, seconds of CPU and peak of memory (KiB) to a file, as JSON.

    python -IS bench/started.py FILE COMMAND…

A process of its own, as small as Python gets: the kernel counts a process's peak from its parent's on, so that whatever
the benchmark started by itself would seem to be as large as the benchmark.
"""

import json
import os
import sys

if __name__ == "__main__":
    file, *command = sys.argv[1:]
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(pid, 0)
    with open(file, "w", encoding="ascii") as out:  # noqa: PTH123 - pathlib would double the memory
        json.dump([os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss], out)
