"""The one list of bad bundles, of which Kotlin's and Swift's tests take the same copy."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import toy
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pocketbert.base.errors import BundleError
from pocketbert.bundle.layout import MANIFEST, SIGNATURE
from pocketbert.bundle.open import open_bundle
from pocketbert.bundle.signing import ALGORITHM, make_keys

LIST = json.loads((Path(__file__).parents[1] / "bad_bundles.json").read_text(encoding="utf-8"))
BAD = [bad for bad in LIST["bundles"] if "python" in bad.get("readers", ["python"])]
HERE = "@@here@@"


def edit(bundle: Path, change: dict[str, Any]) -> None:
    """Spoil `bundle` as `about` in the list tells."""
    file, do = bundle / change["file"], change["do"]
    if do in ("set", "delete"):
        document = json.loads(file.read_text(encoding="utf-8"))
        _edit_json(document, change["at"], do)
        text = json.dumps(document).replace(f'"{HERE}"', change.get("json", ""))
        file.write_text(text, encoding="utf-8")
    elif do in ("write", "repeat"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(change["text"] * change.get("times", 1), encoding="utf-8")
    elif do == "append":
        file.write_bytes(file.read_bytes() + change["text"].encode())
    elif do in ("cut", "grow"):
        os.truncate(file, change["bytes"])
    elif do == "flip":
        content = bytearray(file.read_bytes())
        content[change["byte"]] ^= 0x80
        file.write_bytes(content)
    elif do == "remove":
        file.unlink()
    elif do == "link":
        aside = bundle.parent / f"moved-{file.name}"
        if change["to"] == "moved":
            file.rename(aside)
        file.symlink_to(aside if change["to"] == "moved" else change["to"])
    elif do == "seal":
        toy.reseal(bundle, change["file"])
    else:
        raise AssertionError(change)


def _edit_json(value: Any, at: list[str | int], do: str) -> None:
    key, *rest = at
    if key == "+":
        value.append(HERE)
        return
    every = list(value) if isinstance(value, dict) else range(len(value))
    for one in every if key == "*" else [key]:
        if rest:
            _edit_json(value[one], rest, do)
        elif do == "delete":
            del value[one]
        else:
            value[one] = HERE


def sign_as(bundle: Path, who: str, folder: Path) -> Path:
    """Sign `bundle` by the key `who`; the public key that a reader is given."""
    private, public = make_keys(folder)
    curve = ec.SECP384R1() if who == "another curve" else ec.SECP256R1()
    own, other = private.read_bytes(), ec.generate_private_key(curve)
    key = load_pem_private_key(own, None) if who == "key" else other
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    (bundle / SIGNATURE).write_bytes(key.sign((bundle / MANIFEST).read_bytes(), ALGORITHM))
    return public


@pytest.fixture(scope="module")
def good(toy_run):
    opened = open_bundle(toy_run / "bundle")
    assert opened.artifacts
    return opened.path


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad["name"])
def test_bad_bundle_is_refused(good, tmp_path, bad):
    copy = shutil.copytree(good, tmp_path / "bundle")
    key = sign_as(copy, bad["signed"], tmp_path / "keys") if "signed" in bad else None
    for change in bad["edits"]:
        edit(copy, change)
    with pytest.raises(BundleError):
        open_bundle(copy, key)


def test_good_bundle_opens_signed_and_unsigned(good, tmp_path):
    copy = shutil.copytree(good, tmp_path / "bundle")
    assert open_bundle(copy).labels
    assert open_bundle(copy, sign_as(copy, "key", tmp_path / "keys")).labels


def test_edit_that_changes_nothing_is_no_bad_bundle(good, tmp_path):
    """The list's tool spoils nothing by itself: what it writes back unchanged opens."""
    copy = shutil.copytree(good, tmp_path / "bundle")
    name = json.dumps(open_bundle(copy).name)
    edit(copy, {"do": "set", "file": MANIFEST, "at": ["name"], "json": name})
    edit(copy, {"do": "seal", "file": "replies.json"})
    assert open_bundle(copy).name == json.loads(name)
