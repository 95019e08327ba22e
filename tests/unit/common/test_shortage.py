"""A want of memory is known by what libraries really raise, and by nothing that a name says."""

from __future__ import annotations

import mmap
import threading
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pytest

from components.common.command import report_errors
from components.common.errors import UsageError
from components.common.manifest import reading
from components.common.shortage import memory_ran_out

TOO_MUCH = 2**60


def thread():
    former = threading.stack_size(2**46)
    try:
        threading.Thread(target=print).start()
    finally:
        threading.stack_size(former)


def tensor():
    import tensorflow as tf

    raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[3,3,256,256]")


def convolution():
    """What a convolution of oneDNN said in an export, with 2.5 GB left to it (TensorFlow 2.21)."""
    import tensorflow as tf

    raise tf.errors.AbortedError(None, None, "Operation received an exception: could not create a primitive, in file x")


def text():
    """What Arrow said there of `pc.equal(column, "train")`, with 2 GB left (pyarrow 24)."""
    raise TypeError("Got unexpected argument type <class 'str'> for compute function")


@contextmanager
def loading():
    """What the loader of libraries says (glibc, dlfcn/dlerror), through a package that says something else."""
    try:
        raise ImportError("libarrow.so.2600: failed to map segment from shared object")
    except ImportError as error:
        raise ImportError("Unable to import required dependency pyarrow.") from error
    yield


def silent():
    """What Python says when a library's own code gives up without an exception."""
    raise SystemError("error return without exception set")


SHORTAGES = {
    "silent": silent,
    "python": lambda: bytearray(TOO_MUCH),
    "numpy": lambda: np.empty(TOO_MUCH, np.uint8),
    "arrow": lambda: pa.allocate_buffer(TOO_MUCH),
    "system": lambda: mmap.mmap(-1, 2**60),
    "thread": thread,
    "tensorflow": tensor,
    "onednn": convolution,
    "text": text,
    "library": lambda: loading().__enter__(),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.long if name in ("tensorflow", "onednn") else ()) for name in SHORTAGES],
)
def test_a_shortage_is_known(name):
    with pytest.raises(Exception) as raised:
        SHORTAGES[name]()
    assert memory_ran_out(raised.value)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(2, "No such file or directory", "out of memory.jpg"),
        UsageError("There is no such file.", received="bad_alloc.jpg"),
        ImportError("cannot import name 'x'"),
        RuntimeError("the state is another"),
        KeyError("memory"),
        TypeError("Got unexpected argument type <class 'dict'> for compute function"),
    ],
)
def test_other_errors_are_none(error):
    assert not memory_ran_out(error)


def test_a_file_that_there_was_no_memory_to_read_is_not_called_damaged(tmp_path, capsys):
    def read():
        with reading(tmp_path / "part-00000.parquet"):
            pa.allocate_buffer(TOO_MUCH)

    assert report_errors(read, prog="facenet x") == 1
    error = capsys.readouterr().err
    assert error.startswith("facenet x: Memory ran out") and "part-00000.parquet (malloc of size" in error
    assert "--shard" in error
