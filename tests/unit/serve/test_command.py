"""`facenet serve` as people start it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import requests

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
