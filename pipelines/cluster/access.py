"""kfp's client with the usual credentials, an end to its patience, and errors that people can act on."""

from __future__ import annotations

import json
import logging
import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import kfp.client
import kfp_server_api
import urllib3

from components.common.errors import UsageError
from pipelines.cluster.failures import message_of, not_kubeflow, refusal, silence

# Seconds to connect, and to answer; urllib3 tries three times more where that can do no harm.
TIMEOUT = (10, 60)
# The token itself, as the command `kfp` takes it, and a file that holds one, as kfp's client does; a pod has one.
TOKEN = "KFP_EXISTING_TOKEN"  # noqa: S105 - the name of a variable
TOKEN_FILE = kfp.client.KF_PIPELINES_SA_TOKEN_ENV
NAMESPACE = "KFP_NAMESPACE"
AUTHORITIES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
# Where Google hosts Kubeflow Pipelines behind a proxy of its own; much else under googleusercontent.com is anybody's.
_GOOGLES = re.compile(r"https://[a-z0-9-]+\.(pipelines|notebooks)\.googleusercontent\.com/?", re.ASCII | re.IGNORECASE)
OLDEST = (2, 15)  # the first whose loops hand on lists of artifacts, and which has workspaces


class Cluster(kfp.client.Client):  # type: ignore[misc]
    """A Kubeflow cluster that answers.

    Credentials and the namespace come from the environment, from a token file, or from kfp's own settings.

    Args:
        host: the address of Kubeflow Pipelines.

    Attributes:
        version: of Kubeflow Pipelines there, as (2, 17); None when it does not say, as a build of somebody's own.

    Raises:
        FacenetError: it cannot be reached, it refuses, it is too old for our pipeline, or it is something else.
    """

    version: tuple[int, int] | None = None

    def __init__(self, host: str) -> None:
        self.host = _check_host(host)
        self._answered = False
        token, self._file, self._sent = _credentials()
        # Read anew for each question: the file's content is renewed.
        credentials = kfp.client.ServiceAccountTokenVolumeCredentials(self._file) if self._file else None
        # It warns of every attempt that fails; the last one is an error here.
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)
                super().__init__(
                    host=self.host,
                    existing_token=token,
                    credentials=credentials,
                    ssl_ca_cert=_authorities(),
                    proxy=_proxy(self.host),
                    namespace=os.environ.get(NAMESPACE) or "kubeflow",  # which kfp takes for none
                )
        except (ValueError, LookupError) as error:
            raise UsageError(
                "kfp's own settings cannot be read.",
                received=f"{self._LOCAL_KFP_CONTEXT} ({type(error).__name__})",
                advice="Mend the file or remove it.",
            ) from None
        health = self.get_kfp_healthz()
        if self.version is not None and self.version < OLDEST:
            raise UsageError(
                "The cluster's Kubeflow Pipelines is too old for this pipeline.",
                received=f"{self.host}: {'.'.join(map(str, self.version))}",
                advice=f"It has to be {'.'.join(map(str, OLDEST))} or later.",
            )
        if health.multi_user and not self.namespace:
            raise UsageError(
                "On this cluster people have namespaces of their own.",
                received=f"no {NAMESPACE}",
                advice=f"Name yours in the variable {NAMESPACE}.",
            )

    @property
    def namespace(self) -> str | None:
        """The namespace where people have their own; None elsewhere."""
        return self.get_user_namespace() or None

    def get_kfp_healthz(self, sleep_duration: int = 5) -> Any:
        """How the cluster is; kfp's own asks five times in 25 seconds, prints tracebacks, and may wait for ever."""
        answer = self.ask(self.healthzs.healthz_service_get_healthz)
        # The API's schema leaves out the version, which the server, and the user interface in front of it, say.
        health = json.loads(self._healthz_api.api_client.last_response.data)
        tag = re.match(r"v?(\d+)\.(\d+)\.\d", str(health.get("apiServerTagName") or health.get("tag_name")))
        self.version = (int(tag[1]), int(tag[2])) if tag else None
        return answer

    def ask(self, question: Callable[..., Any], **arguments: Any) -> Any:
        """Asks a question of the API.

        Args:
            question: one of kfp's generated ones, as `self.runs.run_service_get_run`.
            arguments: what it takes.

        Returns:
            The answer, a model of kfp_server_api.

        Raises:
            UnansweredError: none came in time, or the cluster is in trouble.
            FacenetError: it refused.
        """
        try:
            answer = question(**arguments, _request_timeout=TIMEOUT)
        except kfp_server_api.ApiException as error:
            if error.status == 404 and not self._answered:
                raise not_kubeflow(self.host) from None
            # Not `from error`, which would show all that came back.
            raise refusal(error.status, self._without_secrets(message_of(error)), self.host, self._in_words()) from None
        except urllib3.exceptions.HTTPError as error:
            raise silence(error, self.host) from None
        except UnicodeDecodeError:
            raise not_kubeflow(self.host) from None
        # The generated API makes an empty answer of a page of HTML.
        if not _is_object(self._healthz_api.api_client.last_response.data):
            raise not_kubeflow(self.host)
        self._answered = True
        return answer

    def page(self, path: str) -> str:
        """The address of a page of the user interface."""
        return f"{self._get_url_prefix()}/#/{path}"

    def _is_inverse_proxy_host(self, host: str) -> bool:
        """Whether kfp asks Google for a token of whoever runs this, and sends it to the host.

        In place of kfp's own, whose pattern any host can be made to fit (GHSA-qv29-qxgh-jcw8, mended in 2.18.1), and
        which goes before the token's file.
        """
        return self._file is None and is_googles(host)

    def _in_words(self) -> str:
        """The credentials that are sent."""
        if self._sent:
            return self._sent
        return "the token that kfp got from Google" if self._existing_config.api_key else "no token"

    def _without_secrets(self, text: str) -> str:
        context = self._context_setting
        cookie, header = (context.get(f"client_authentication_{name}") for name in ("cookie", "header_value"))
        for secret in filter(None, (self._existing_config.api_key.get("authorization"), cookie, header)):
            text = text.replace(secret, "[hidden]")
        return text


def is_googles(host: str) -> bool:
    """Whether Google hosts Kubeflow Pipelines there, and wants a Google token."""
    return _GOOGLES.fullmatch(host) is not None


def _is_object(text: str | bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _authorities() -> str | None:
    """The file of certificates to trust, by the variables that curl and requests read; None for the usual ones."""
    for name in AUTHORITIES:
        if file := os.environ.get(name):
            if not Path(file).is_file():
                raise UsageError("The file of certificates to trust is not there.", received=f"{name}={file}")
            return file
    return None


def _proxy(host: str) -> str | None:
    """The proxy for a host, by the variables that curl reads (HTTPS_PROXY, NO_PROXY); None for none."""
    parts = urlsplit(host)
    if proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def _check_host(host: str) -> str:
    parts = urlsplit(host)
    if "@" in parts.netloc:
        raise UsageError(
            "Credentials do not belong into an address.",
            advice=f"Put a token into the variable {TOKEN}, or name its file in {TOKEN_FILE}.",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("This is not the address of a cluster.", received=host, advice="Write --host https://HOST.")
    return host.rstrip("/")


def _credentials() -> tuple[str | None, str | None, str]:
    """The token, or the file that holds one, or neither; and which it is, in words, "" for neither."""
    token = os.environ.get(TOKEN, "").strip()
    if token:
        source = f"the token in {TOKEN}"
        _check_token(token, source)
        return token, None, source
    named = os.environ.get(TOKEN_FILE)
    file = Path(named or kfp.client.KF_PIPELINES_SA_TOKEN_PATH)
    if not named and not file.is_file():
        return None, None, ""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise UsageError("The token's file cannot be read.", received=file, advice=f"Is {TOKEN_FILE} right?") from None
    _check_token(text.strip(), f"the token in {file}")
    return None, str(file), f"the token in {file}"


def _check_token(token: str, source: str) -> None:
    # A header with anything else in it is refused with a message that shows the token.
    if not token or not all("!" <= character <= "~" for character in token):
        raise UsageError("This is not a token: it has to be one word.", received=source)
