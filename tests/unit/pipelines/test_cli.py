import subprocess
import sys

import pytest

from pipelines.cli import COMMANDS, main
from pipelines.compile import DEFAULT_OUTPUT

REPOSITORY = DEFAULT_OUTPUT.parent


def test_help_lists_every_command_on_a_line_of_its_own(capsys):
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in COMMANDS:
        assert sum(line.startswith(f"  {name} ") for line in lines) == 1


def test_no_command_shows_the_help_and_is_wrong_use(capsys):
    assert main([]) == 2
    assert "usage: facenet COMMAND" in capsys.readouterr().out


def test_help_that_nobody_reads_on_ends_quietly():
    command = f"set -o pipefail; '{sys.executable}' -m pipelines.cli --help | true"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (141, b"")


@pytest.mark.parametrize(
    ("name", "near"), [("trian", "mine-and-train"), ("extrct", "extract"), ("evalaute", "evaluate")]
)
def test_an_unknown_command_suggests_the_near_one(name, near, capsys):
    assert main([name]) == 2
    assert f"Did you mean {near}?" in capsys.readouterr().err


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch, capsys):
    monkeypatch.setitem(COMMANDS, "extract", ("no_such_package_here", "about"))
    assert main(["extract"]) == 2
    error = capsys.readouterr().err
    assert "no_such_package_here" in error
    assert "pip install -e '.[extract]'" in error


def test_a_package_that_there_was_no_memory_to_load_is_not_called_missing(monkeypatch, tmp_path, capsys):
    (tmp_path / "too_large.py").write_text("raise ImportError('libx.so: failed to map segment from shared object')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(COMMANDS, "extract", ("too_large", "about"))
    assert main(["extract"]) == 1
    assert "facenet extract: Memory ran out" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["runs", "--help"], ["show", "--help"]])
def test_help_loads_nothing_heavy(arguments):
    code = f"""
import sys
from pipelines.cli import main
try:
    main({arguments!r})
except SystemExit:
    pass
print([name for name in ("kfp", "tensorflow", "keras", "pandas", "pyarrow", "numpy", "dlib") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
