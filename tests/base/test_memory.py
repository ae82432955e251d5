import subprocess
import sys

import pytest

# Small blocks, of which every hundredth stays: the system gets none of them back by itself.
FREED = """
import re
from pathlib import Path
from pocketbert.base.memory import release_memory

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

before = resident()
blocks = [bytearray(4000) for _ in range(20_000)]
taken = resident() - before
blocks = blocks[::100]
kept = resident() - before
release_memory()
print(taken, kept, resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc; other systems keep their own way")
def test_freed_memory_goes_back_to_the_system():
    ran = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True)
    taken, kept, left = map(int, ran.stdout.split())
    assert kept > 0.9 * taken  # else there is nothing to hand back
    assert left < 0.2 * taken
