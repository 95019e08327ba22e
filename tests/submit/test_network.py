"""What stands between here and a cluster: an authority of one's own, and a proxy, named as for curl."""

from __future__ import annotations

import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipelines.submit import main
from tests.submit.conftest import PHOTOS


@pytest.fixture
def authority(kubeflow, tmp_path) -> Path:
    """The certificate of an authority that nobody knows, by which the cluster now answers."""
    key, certificate = tmp_path / "key.pem", tmp_path / "ca.pem"
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*words.split(), *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    kubeflow.secure(context)
    return certificate


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_an_authority_that_a_variable_names_is_trusted(kubeflow, authority, variable, monkeypatch, capsys):
    flags = ["--host", kubeflow.host, "-i", PHOTOS]
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    assert main(flags) == 2
    assert "file in SSL_CERT_FILE" in capsys.readouterr().err
    assert not kubeflow.runs
    monkeypatch.setenv(variable, str(authority))
    assert main(flags) == 0
    assert len(kubeflow.runs) == 1


def test_a_file_of_certificates_that_is_not_there_is_named(submit, monkeypatch, capsys):
    monkeypatch.setenv("SSL_CERT_FILE", "none.pem")
    assert submit() == 2
    assert "Received: SSL_CERT_FILE=none.pem" in capsys.readouterr().err


class Proxy(BaseHTTPRequestHandler):
    """Passes on what it is asked for, and writes it down."""

    asked: list[str]

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.asked.append(self.path)
        self.send_error(502)


@pytest.mark.parametrize(("bypassed", "asked"), [("", True), ("127.0.0.1", False)])
def test_a_proxy_is_asked_unless_the_host_is_left_out(submit, kubeflow, bypassed, asked, monkeypatch):
    seen: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Noting", (Proxy,), {"asked": seen}))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("no_proxy", bypassed)
    assert submit() == (1 if asked else 0)
    server.shutdown()
    server.server_close()
    assert bool(seen) is asked
    assert all(one.startswith(kubeflow.host) for one in seen)
