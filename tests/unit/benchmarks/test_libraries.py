from __future__ import annotations

import re
import sys

import numpy as np

from benchmarks.libraries import blas, environment


def test_the_library_behind_numpys_products_is_named_with_its_kernel():
    assert (np.eye(2) @ np.eye(2)).sum() == 2
    assert re.search(r"\bnumpy openblas [\d.]+ \w+", blas())


def test_without_threadpoolctl_the_kernel_is_unknown(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    assert blas() == "unknown"


def test_variables_that_change_how_libraries_compute_are_told_and_no_others(monkeypatch):
    monkeypatch.setattr(
        "os.environ",
        {"OPENBLAS_CORETYPE": "", "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "TF_CLI_CONFIG_FILE": "/root/x"},
    )
    assert environment() == "OMP_NUM_THREADS=1 OPENBLAS_CORETYPE="
