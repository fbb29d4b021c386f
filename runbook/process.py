"""Which process is which: a number is given again to another one, the moment of its start is not."""

from pathlib import Path


def start_of(process: int) -> str | None:
    """When a process of this machine started, in clock ticks since boot (proc(5), stat field 22); None without one."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the command's name in parentheses, which may hold anything.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def boot() -> str:
    """The id of this machine's boot, with that of the PID namespace; empty when it does not tell one.

    Containers have process numbers of their own, whose processes nobody outside can ask about by those numbers.
    """
    try:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot_id} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""
