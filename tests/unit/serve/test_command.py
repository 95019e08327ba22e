"""`facenet serve` as people start it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import requests

from components.serve.__main__ import main
from tests.conftest import REPOSITORY

TOKEN = "0123456789abcdef"


def test_it_says_where_it_is_wants_its_token_and_ends_with_ctrl_c(model, tmp_path):
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    flags = ["-c", str(model), "-g", str(tmp_path / "g.db"), "--token_file", str(tmp_path / "token"), "--workers", "1"]
    command = [sys.executable, "-m", "components.serve", *flags, "--host", "0.0.0.0", "--port", "0", "--json"]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            url = json.loads(process.stdout.readline())["url"].replace("0.0.0.0", "127.0.0.1")
            assert requests.get(f"{url}/v2/health/live", timeout=30).json() == {"live": True}
            assert requests.get(f"{url}/metrics", timeout=30).status_code == 401
            carried = {"Authorization": f"Bearer {TOKEN}"}
            assert "facenet_requests_total" in requests.get(f"{url}/metrics", headers=carried, timeout=30).text
            page = requests.get(url, timeout=30)
            assert "script-src 'sha256-" in page.headers["content-security-policy"]
        finally:
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in error and TOKEN not in error


def test_what_cannot_be_served_is_said(model, tmp_path, capsys, monkeypatch):
    def said(*flags):
        assert main(["-c", str(model), "-g", str(tmp_path / "g.db"), *flags]) == 2
        return capsys.readouterr().err

    assert "a token is needed" not in said("--port", "99999")
    assert "Others can reach this address" in said("--host", "0.0.0.0")
    assert "cannot be read" in said("--token_file", str(tmp_path / "none"))
    (tmp_path / "short").write_text("secret")
    error = said("--token_file", str(tmp_path / "short"))
    assert "at least 16 characters" in error and "secret" not in error
    monkeypatch.setenv("FACENET_TOKEN", "with a space in it")
    assert "at least 16 characters" in said()
    assert "--rate must be" in said("--rate", "-1")
    assert "--seconds must be above 0" in said("--seconds", "0")
