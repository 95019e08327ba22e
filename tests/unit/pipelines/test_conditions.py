"""What changes numbers besides code and inputs."""

import pytest

from components.specification.images import REPOSITORY
from pipelines.cache.conditions import packages, packages_of_image, variables

LOCK = """\
numpy==2.4.6 \\
    --hash=sha256:00
tensorflow==2.21.0 ; platform_machine == 'aarch64' \\
    --hash=sha256:02
tensorflow-cpu==2.21.0 ; platform_machine == 'x86_64' \\
    --hash=sha256:03
dlib-bin==20.0.1.post1 \\
    --hash=sha256:04
"""


@pytest.fixture
def lock(tmp_path):
    file = tmp_path / "requirements.lock"
    file.write_text(LOCK)
    return file


@pytest.fixture
def installed(tmp_path):
    """Installs packages, as far as can be seen from outside, and says where."""

    def install(*folders: str, place: str = "site-packages") -> str:
        for folder in folders:
            (tmp_path / place / f"{folder}.dist-info").mkdir(parents=True)
        return str(tmp_path / place)

    return install


def test_what_an_image_has_is_the_same_in_this_environment(lock, installed):
    """Either build of TensorFlow: container and process answer each other."""
    place = installed("numpy-2.4.6", "tensorflow-2.21.0", "dlib_bin-20.0.1.post1", "pytest-9.0.0")
    assert packages(lock, [place, "/no/such/place", ""]) == packages_of_image(lock)


@pytest.mark.parametrize("other", ["numpy-2.4.7", "numpy-2.5.5", "tensorflow-2.21.1", "dlib_bin-20.0.1"])
def test_another_version_counts(lock, installed, other):
    assert packages(lock, [installed(other)]) != packages_of_image(lock)


def test_what_comes_first_is_what_is_imported(lock, installed):
    places = [installed("numpy-1.0", place="first"), installed("numpy-2.4.6")]
    assert packages(lock, places)["numpy"] == "1.0"
    assert packages(lock, reversed(places)) == packages_of_image(lock)


def test_where_nobody_says_what_is_loaded_everything_counts(installed):
    assert packages(None, [installed("numpy-2.4.6", "Some.Thing-1.0")]) == {"numpy": "2.4.6", "some-thing": "1.0"}


@pytest.mark.parametrize("lock", [REPOSITORY / "requirements.lock", *REPOSITORY.glob("docker/*/*.lock")])
def test_every_python_gets_the_same_versions_and_so_the_same_numbers(lock):
    assert packages_of_image(lock)["numpy"]
    assert "python_full_version" not in lock.read_text()


def test_variables_that_change_numbers_count_and_others_do_not():
    counting = {
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
        "XLA_FLAGS": "--xla_cpu_enable_fast_math=true",
        "TF_XLA_FLAGS": "--tf_xla_auto_jit=2",
        "TF_DETERMINISTIC_OPS": "1",
        "KERAS_BACKEND": "jax",
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": "AVX2",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2",
        "CUDA_VISIBLE_DEVICES": "",
    }
    assert variables({**counting, "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": "/bin", "HOME": "/root"}) == counting
