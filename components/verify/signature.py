"""The signature of a folder that holds a network, in the OpenSSF Model Signing format, version 1.

It lies beside the folder, `FOLDER.sig`, and covers every file in it: a bundle as sigstore has it, in it an in-toto
statement with the SHA-256 of each file. The package model-signing makes and checks it, and is imported only when a key
is given: https://github.com/sigstore/model-transparency, docs/model_signing_format.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.common import published
from components.common.errors import MALFORMED, FacenetError, UsageError

_KEYS = "openssl ecparam -name prime256v1 -genkey -noout -out KEY; openssl ec -in KEY -pubout -out KEY.pub"


def signature_of(folder: Path) -> Path:
    """Where the signature of a folder lies, wherever links to the folder are."""
    place = folder.resolve()
    return place.with_name(f"{place.name}.sig")


def sign(folder: Path, key: Path) -> Path:
    """Signs every file in a folder.

    Args:
        folder: the folder.
        key: a file with the private key, of the curve P-256, P-384 or P-521, as PEM and without a password.

    Returns:
        Where the signature lies; a former one is replaced.

    Raises:
        UsageError: no such folder, no such key, or no model-signing.
    """
    if not folder.is_dir():
        raise UsageError(
            "Only a folder is signed.", received=folder, advice="Give the one that `facenet export` wrote."
        )
    signature = signature_of(folder)
    signer(key).sign(folder.resolve(), signature)
    return signature


def signer(key: Path) -> Any:
    """What signs with a private key; see `sign`."""
    package = _model_signing()
    try:
        return package.signing.Config().use_elliptic_key_signer(private_key=key)
    except (OSError, *MALFORMED) as error:  # of an RSA key it asks for the curve
        raise _no_key(key, error) from error


def check(network: Path, key: Path) -> None:
    """Checks that whoever has a key signed the folder of a network as it is now: no file is another, and none is new.

    Args:
        network: a folder, or a file in it.
        key: a file with the public key, as PEM.

    Raises:
        UsageError: no such key, no model-signing, or a network that lies in no folder.
        FacenetError: it is not signed, or not with this key, or something there has changed since.
    """
    package = _model_signing()
    if published.is_meant(network):
        raise UsageError(
            "This network came with a package, and nobody signed it.",
            received=published.NAME,
            advice="Give a signed one with -c, or leave out --signed-by.",
        )
    folder = network if network.is_dir() else network.resolve().parent
    signature = signature_of(folder)
    try:
        config = package.verifying.Config().use_elliptic_key_verifier(public_key=key)
    except (OSError, *MALFORMED) as error:
        raise _no_key(key, error) from error
    try:
        config.verify(folder.resolve(), signature)
    except Exception as error:  # the package raises what it likes, and all of it means that nobody vouches for this
        raise FacenetError(
            "The network is not as its owner signed it; it is not used.",
            received=f"{folder}: {_reason(signature, error)}",
            advice="Copy the whole folder and its .sig from its owner again; without --signed-by it is used as it is.",
        ) from error


def _reason(signature: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError) and not signature.exists():
        return f"there is no {signature.name} beside it"
    return str(error).partition("Digest(")[0].rstrip(": ").rpartition(", Expected")[0] or str(error)[:200]


def _no_key(key: Path, error: Exception) -> UsageError:
    return UsageError(
        "This is not the key that is needed.", received=f"{key} ({error})", advice=f"A pair of keys: {_KEYS}"
    )


def _model_signing() -> Any:
    try:
        import model_signing
    except ModuleNotFoundError as missing:
        raise UsageError(
            "Signatures need model-signing, which is not installed, or not with all that it needs.",
            received=missing.name,
            advice="pip install -e '.[sign]'",
        ) from missing
    return model_signing
