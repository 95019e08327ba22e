import signal
import socket
import subprocess
import sys
import urllib.request

from pipelines.compile import DEFAULT_OUTPUT
from pipelines.ui.__main__ import main


def test_it_prints_its_address_serves_and_ends_with_ctrl_c(tmp_path):
    (tmp_path / "runs").mkdir()
    command = [sys.executable, "-m", "pipelines.cli", "ui", "--runs", str(tmp_path / "runs"), "--port", "0"]
    process = subprocess.Popen(
        command, cwd=DEFAULT_OUTPUT.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        address = process.stdout.readline().split(": ", 1)[1].split()[0]
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address) as answer:
            assert answer.status == 200
    finally:
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in error


def test_a_port_in_use_is_said_with_what_to_do(tmp_path, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert main(["--runs", str(tmp_path), "--port", str(other.getsockname()[1])]) == 2
    error = capsys.readouterr().err
    assert "in use" in error and "--port 0" in error


def test_a_number_that_is_no_port_is_refused(tmp_path, capsys):
    assert main(["--runs", str(tmp_path), "--port", "99999"]) == 2
    assert "99999" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_said_with_what_to_do(tmp_path, capsys):
    assert main(["--runs", str(tmp_path / "none"), "--port", "0"]) == 2
    error = capsys.readouterr().err
    assert str(tmp_path / "none") in error and "facenet run -i" in error
