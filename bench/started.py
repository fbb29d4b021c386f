"""Start one command, and write its exit status, CPU seconds and peak memory (KiB) to a file as JSON.

    python -IS bench/started.py FILE COMMAND…

This is a separate, minimal Python process, because the kernel counts a process's peak from its parent's on: a command
that the benchmark started directly would seem as large as the benchmark.
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
