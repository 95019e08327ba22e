"""Folders signed in the OpenSSF Model Signing format, and networks that are used only if theirs is."""

import json
import shutil
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from components.common.errors import FacenetError
from components.verify import model as opening
from components.verify import signature
from components.verify.settings import ModelSettings
from pipelines.cli import main
from pipelines.publish import Targets
from tests.ui.records import run_of, task_of


def written(key, folder, name):
    (folder / name).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}.pub").write_bytes(public)
    return folder / name, folder / f"{name}.pub"


@pytest.fixture
def keys(tmp_path):
    return written(ec.generate_private_key(ec.SECP256R1()), tmp_path, "key")


@pytest.fixture
def folder(tmp_path, model):
    """An exported folder: the network, and what is beside it."""
    exported = tmp_path / "model"
    exported.mkdir()
    shutil.copy(model, exported / "facenet.tflite")
    (exported / "export.json").write_text('{"best": "facenet.tflite"}')
    return exported


@pytest.fixture
def signed(folder, keys):
    assert main(["sign", str(folder), "--key", str(keys[0])]) == 0
    return folder


def verify(folder, people, key):
    one, other = next(iter(people.values()))
    return main(["verify", str(one), str(other), "-c", str(folder / "facenet.tflite"), "--signed-by", str(key)])


def test_a_signed_network_is_used_wherever_its_folder_is_copied_or_linked(signed, keys, people, tmp_path, capsys):
    assert verify(signed, people, keys[1]) in (0, 3)
    (tmp_path / "elsewhere").mkdir()
    for name in ("model", "model.sig"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    (tmp_path / "latest").symlink_to("elsewhere/model")
    assert verify(tmp_path / "latest", people, keys[1]) in (0, 3), capsys.readouterr().err


def test_the_packages_own_command_takes_the_signature(signed, keys):
    words = ["verify", "key", str(signed), "--signature", f"{signed}.sig", "--public-key", str(keys[1])]
    command = [sys.executable, "-m", "model_signing", *(word.replace("public-key", "public_key") for word in words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "succeeded" in done.stdout, done.stdout + done.stderr


CHANGES = {
    "another file": lambda folder: (folder / "export.json").write_text("{}"),
    "a new file": lambda folder: (folder / "facenet.json").write_text("{}"),
    "a missing file": lambda folder: (folder / "export.json").unlink(),
    "a damaged signature": lambda folder: folder.with_name("model.sig").write_text("{}"),
    "no signature": lambda folder: folder.with_name("model.sig").unlink(),
    "no JSON": lambda folder: folder.with_name("model.sig").write_text("x"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_is_not_as_it_was_signed_is_not_used(signed, keys, people, capsys, change):
    CHANGES[change](signed)
    assert verify(signed, people, keys[1]) == 1
    assert "not as its owner signed it" in capsys.readouterr().err


def test_a_signature_of_another_statement_under_the_same_key_is_no_help(signed, keys, people):
    bundle = json.loads(signed.with_name("model.sig").read_text())
    other = signed.with_name("other")
    shutil.copytree(signed, other)
    (other / "export.json").write_text("{}")
    main(["sign", str(other), "--key", str(keys[0])])
    theirs = json.loads(other.with_name("other.sig").read_text())
    bundle["dsseEnvelope"]["payload"] = theirs["dsseEnvelope"]["payload"]  # under the signature of the first
    other.with_name("other.sig").write_text(json.dumps(bundle))
    assert verify(other, people, keys[1]) == 1


def test_another_key_and_what_is_no_key_are_refused(signed, keys, people, tmp_path, capsys):
    _, stranger = written(ec.generate_private_key(ec.SECP256R1()), tmp_path, "stranger")
    assert verify(signed, people, stranger) == 1
    rsa_key, _ = written(rsa.generate_private_key(65537, 2048), tmp_path, "rsa")
    for wrong in (keys[0], tmp_path / "none", signed / "export.json"):
        assert verify(signed, people, wrong) == 2
        assert "not the key that is needed" in capsys.readouterr().err
    for wrong in (keys[1], tmp_path / "none", rsa_key):
        assert main(["sign", str(signed), "--key", str(wrong)]) == 2
    assert main(["sign", str(tmp_path / "none"), "--key", str(keys[0])]) == 2
    assert main(["verify", "a.jpg", "b.jpg", "-c", "dlib", "--signed-by", str(keys[1])]) == 2


def test_without_the_package_it_says_what_to_install_and_is_not_missed_otherwise(
    signed, keys, people, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "model_signing", None)
    assert verify(signed, people, keys[1]) == 2
    assert "pip install -e '.[sign]'" in capsys.readouterr().err
    one, other = next(iter(people.values()))
    assert main(["verify", str(one), str(other), "-c", str(signed / "facenet.tflite")]) in (0, 3)


def test_a_file_that_changes_after_the_check_is_noticed(signed, keys, monkeypatch):
    def check(network, key):
        signature.check(network, key)
        (signed / "facenet.json").write_text("{}")  # beside the file, where another one would be read

    monkeypatch.setattr(opening, "check", check)
    with pytest.raises(FacenetError, match="changed while they were read"):
        opening.open_model(ModelSettings(signed / "facenet.tflite", signed_by=keys[1]))


def test_a_key_is_looked_at_before_the_run_that_it_is_to_sign(keys, tmp_path, capsys):
    Targets(sign_key=keys[0]).check()
    assert main(["run", "-i", str(tmp_path), "--sign-key", str(keys[1])]) == 2
    assert "not the key that is needed" in capsys.readouterr().err


def test_a_run_is_signed_where_it_is_published(folder, keys, tmp_path):
    place = tmp_path / "runs" / "1" / "export" / "model"
    export = task_of("export", {"model": ("system.Model", "1/export/model")}, metrics={"int8_bytes": 9})
    run_of(tmp_path / "runs", "1", export, parameters={})
    shutil.copytree(folder, place)
    assert main(["publish", "1", "--runs", str(tmp_path / "runs"), "--sign-key", str(keys[0])]) == 0
    signature.check(place / "facenet.tflite", keys[1])
