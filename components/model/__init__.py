"""The network, its backbones and its checkpoint."""

import importlib
import os
import platform
import re
import sys
from contextlib import suppress

# What there is where NVIDIA's driver is, in a container and under Windows too.
_DRIVERS = ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/dxg")


def has_driver() -> bool:
    """Whether NVIDIA's driver is here, so that TensorFlow may compute on a GPU."""
    return any(map(os.path.exists, _DRIVERS))


# Before TensorFlow is imported: what it says of the processor is no news to the reader of a log, and that a machine
# without that driver has no CUDA is no error. With "3" its other errors are not logged either: those that matter are
# raised, and fatal ones are still said.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2" if has_driver() else "3")
# oneDNN's convolutions, which TensorFlow takes by itself only where a processor has more than AVX2: see
# benchmarks/README.md. On ARM nobody has measured them.
if platform.machine() in ("x86_64", "AMD64"):
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# And before Keras is: what its user's other work wants (~/.keras/keras.json, KERAS_BACKEND) would make other networks.
os.environ |= {"KERAS_BACKEND": "tensorflow", "KERAS_HOME": os.devnull}

# Keras (3.15) imports these where they are installed, which takes a third of its own time, and uses them for nothing
# here: `findings/keras-imports-what-is-installed.sh`.
_UNUSED_BY_KERAS = ("matplotlib", "pandas", "sklearn")

# What is said while TensorFlow is loaded, whatever it was told: that there is no CUDA, and that oneDNN is used.
_NOTICES = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog"
    rb"|I\d{4} .*(Could not find cuda drivers|oneDNN custom operations are on)"
)
_PIPE_BYTES = 1 << 16  # as many as it holds on Linux


def load_tensorflow() -> None:
    """Imports TensorFlow and Keras, which takes seconds: where they are to say nothing of CUDA, without such notices.

    Whatever else is written meanwhile is shown at the end.

    Raises:
        ModuleNotFoundError: they are not installed.
    """
    if os.environ["TF_CPP_MIN_LOG_LEVEL"] != "3":
        _load()
        return
    read, write = os.pipe()
    stderr = os.dup(2)
    for end in (read, write):
        os.set_blocking(end, False)  # nobody reads meanwhile
    os.dup2(write, 2)  # C++ writes there, past sys.stderr
    try:
        _load()
    finally:
        os.dup2(stderr, 2)
        with suppress(BlockingIOError):  # nothing was written
            said = os.read(read, _PIPE_BYTES).splitlines(keepends=True)
            os.write(2, b"".join(line for line in said if not _NOTICES.match(line)))
        for end in (read, write, stderr):
            os.close(end)


def _load() -> None:
    hidden = [name for name in _UNUSED_BY_KERAS if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # what is imported now does not find it
    try:
        for name in ("tensorflow", "keras"):
            importlib.import_module(name)
    finally:
        for name in hidden:
            del sys.modules[name]


# Images that are embedded at a time.
BATCH_SIZE = 128
