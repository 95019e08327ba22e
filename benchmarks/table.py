"""The results as a Markdown table, the last of each row and variables: `python -m benchmarks.table`."""

from __future__ import annotations

import csv

from benchmarks.harness import RESULTS, command_line

_SHOWN = (
    *("what", "peer", "at_least", "ratio", "processor_ratio", "ours_s", "peer_s", "ours_mb", "peer_mb", "equal"),
    *("blas", "environment"),
)


def main() -> None:
    """Prints it."""
    command_line(__doc__).parse_args()
    with RESULTS.open(newline="") as file:
        rows = {(row["what"], row["peer"], row["environment"]): row for row in csv.DictReader(file)}
    print(
        "| what | peer | asked | ratio, clock | ratio, processor | ours, s | peer, s | ours, MB | peer, MB | equal "
        "| BLAS | variables |"
    )
    print("| --- " * len(_SHOWN) + "|")
    for row in rows.values():
        print("| " + " | ".join(row[name] for name in _SHOWN) + " |")


if __name__ == "__main__":
    main()
