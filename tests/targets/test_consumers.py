"""Programs that are not ours read our files; ./scripts/test --consumers fetches and asks them."""

import json
import shutil
import subprocess
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

pytestmark = pytest.mark.consumers
HERE = Path(__file__).parent / "consumers"
FETCHED = Path(__file__).parents[2] / ".venv-consumers"


def test_mediapipe_agrees_on_plain_text(bundle, student, texts):
    # MediaPipe's tokenizer leaves accents on, as Google's samples do: plain text only.
    plain = [text for text in texts if text.isascii()]
    artifact = bundle.artifacts["tflite-task"].artifact
    done = subprocess.run(
        [FETCHED / "bin" / "python", HERE / "mediapipe_labels.py", artifact.path],
        input=json.dumps(plain),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    theirs = json.loads(done.stdout)
    ours = [student.labels[i] for i in student.logits(plain).argmax(1)]
    same = sum(a == b for a, b in zip(ours, theirs, strict=True)) / len(plain)
    print(f"MediaPipe agrees on {same:.2%} of {len(plain)} texts")
    assert same >= 0.98


class SilentHandler(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture
def served(bundle, tmp_path):
    """The address of a page with LiteRT.js and the artefact of many signatures."""
    shutil.copytree(FETCHED / "node_modules" / "@litertjs", tmp_path, dirs_exist_ok=True)
    shutil.copy(HERE / "litertjs.html", tmp_path)
    shutil.copy(bundle.artifacts["tflite"].artifact.path, tmp_path / "model.tflite")
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(SilentHandler, directory=tmp_path)
    ) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/litertjs.html"
        server.shutdown()


def test_litert_js_in_a_browser_answers_with_every_signature(bundle, served, browser):
    sealed = bundle.artifacts["tflite"]
    rows = []
    for case in bundle.golden:
        length = sealed.artifact.length_for(len(case.input_ids))
        ids, mask = np.zeros((2, length), int).tolist()
        ids[: len(case.input_ids)] = case.input_ids
        mask[: len(case.attention_mask)] = case.attention_mask
        rows.append({"signature": f"length_{length}", "ids": ids, "mask": mask})
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(served)
    page.wait_for_function("window.signatures !== undefined", timeout=60_000)
    assert set(page.evaluate("window.signatures")) == {
        f"length_{length}" for length in sealed.artifact.lengths
    }
    assert {row["signature"] for row in rows} == set(page.evaluate("window.signatures"))
    theirs = np.array(page.evaluate("rows => window.answer(rows)", rows))
    ours = np.array([case.logits["tflite"] for case in bundle.golden])
    difference = np.abs(theirs - ours).max()
    print(f"LiteRT.js differs by at most {difference:.1e} over {len(rows)} golden cases")
    assert difference <= sealed.tolerance
    assert (theirs.argmax(1) == ours.argmax(1)).mean() >= 0.99
    assert errors == []
