"""Runs independent tasks in parallel."""

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from rehearsal.docker_host.engine import kill_commands_of


def side_by_side(*tasks: Callable[[], object]) -> None:
    """Run all tasks and wait for them.

    If one fails, or on an interrupt, the commands of the other tasks are killed at once, and the first error is
    raised.
    """
    threads: set[int] = set()
    with ThreadPoolExecutor(len(tasks), initializer=lambda: threads.add(threading.get_ident())) as pool:
        futures = [pool.submit(task) for task in tasks]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        except BaseException:
            kill_commands_of(threads)
            raise
