"""What several tasks say at once reaches the terminal line by line."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

TWO_AT_ONCE = """
import sys, threading
from pipelines.launch import say
sys.setswitchinterval(1e-6)
def speak(name):
    for _ in range(2000):
        say(f"{name} asleep")
threads = [threading.Thread(target=speak, args=(name,)) for name in "ab"]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_lines_of_tasks_that_run_at_once_stay_lines():
    done = subprocess.run([sys.executable, "-c", TWO_AT_ONCE], capture_output=True, text=True, check=True)
    assert Counter(done.stdout.split("\n")) == {"a asleep": 2000, "b asleep": 2000, "": 1}
