"""A line of tasks that hand a file on, by kfp.local with its cache: `python -m benchmarks.kfp_line TASKS FOLDER`."""

import sys
import warnings

from kfp import dsl, local

warnings.simplefilter("ignore")


@dsl.component
def stage(number: int, before: str) -> str:
    """Says how many came before it."""
    return f"{number} after {before}"


@dsl.pipeline
def line() -> None:
    """The tasks, each after the one before."""
    before = ""
    for number in range(int(sys.argv[1])):
        before = stage(number=number, before=before).output


if __name__ == "__main__":
    local.init(
        local.SubprocessRunner(use_venv=False),
        pipeline_root=sys.argv[2],
        enable_caching=True,
        cache_root=f"{sys.argv[2]}/cache",
    )
    line()
