"""A process that computes for another: calls come in on stdin, what they return goes out.

It is a fresh interpreter with one thread for sums, and it ends as soon as its stdin does, so that
none outlives whoever started it. It knows nothing of what it calls.
"""

import json
import os
import sys
import threading
import traceback
from importlib import import_module
from queue import SimpleQueue
from typing import Any

from .errors import PipelineError
from .extras import explained
from .memory import release_memory
from .quiet import quiet


def serve() -> None:
    """Answer calls, a line of JSON each, until there are none."""
    quiet()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a toolchain prints must not stand among the answers
    calls = SimpleQueue[str]()
    threading.Thread(target=_read, args=(calls,), daemon=True).start()
    while True:
        _write(answers, _answer(json.loads(calls.get())))
        release_memory()


def _read(calls: SimpleQueue[str]) -> None:
    for line in sys.stdin:
        calls.put(line)
    os._exit(0)  # in the middle of whatever it computes: nobody waits for that


def _write(answers: Any, value: dict[str, Any]) -> None:
    try:
        answers.write(json.dumps(value) + "\n")
        answers.flush()
    except BrokenPipeError:
        os._exit(0)


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    try:
        with explained():
            function = getattr(import_module(asked["module"]), asked["function"])
            return {"returned": function(**asked["arguments"])}
    except PipelineError as error:
        return {"refused": type(error).__name__, "message": str(error)}
    except OSError as error:
        return {"os_error": [error.errno, error.strerror, error.filename], "message": str(error)}
    except Exception:  # a fault of ours: whoever asked raises it with all of its story
        return {"message": traceback.format_exc()}
