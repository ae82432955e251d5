"""A signed bundle with a byte changed anywhere, a file added or renamed, is refused."""

import shutil
import stat
from pathlib import Path

import pytest
from command import pocketbert
from typer.testing import CliRunner

from pocketbert.app.cli.main import app
from pocketbert.base.errors import BundleError, InputError
from pocketbert.bundle.install import install
from pocketbert.bundle.layout import MANIFEST, SIGNATURE
from pocketbert.bundle.open import open_bundle
from pocketbert.bundle.signing import check_signature, make_keys, sign


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return make_keys(tmp_path_factory.mktemp("keys") / "ours")


@pytest.fixture
def signed(toy_run, tmp_path, keys):
    shutil.copytree(toy_run / "bundle", tmp_path / "bundle")
    sign(tmp_path / "bundle", keys[0])
    return tmp_path / "bundle"


def test_private_key_is_its_owners_alone(keys):
    assert stat.S_IMODE(keys[0].stat().st_mode) == 0o600


def test_keys_are_never_overwritten(keys):
    with pytest.raises(InputError, match=r"private.pem: is there already"):
        make_keys(keys[0].parent)


def test_signed_bundle_opens_with_its_key_and_without(signed, keys):
    assert open_bundle(signed, keys[1]).labels == open_bundle(signed).labels


def test_signing_again_replaces_the_signature(signed, keys, tmp_path):
    _, public = make_keys(tmp_path / "theirs")
    sign(signed, tmp_path / "theirs" / "private.pem")
    open_bundle(signed, public)
    with pytest.raises(BundleError, match="is not signed with"):
        open_bundle(signed, keys[1])


def test_killed_signing_leaves_a_bundle_that_opens(signed, keys):
    # Planted: the process ends between the signature's first byte and its name.
    with pytest.raises(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        sign(signed, keys[0])
    open_bundle(signed, keys[1])


def test_missing_signature_is_refused(signed, keys):
    (signed / SIGNATURE).unlink()
    with pytest.raises(BundleError, match=f"has no {SIGNATURE}"):
        open_bundle(signed, keys[1])


def test_changed_byte_anywhere_is_refused(signed, keys):
    files = sorted(path for path in signed.rglob("*") if path.is_file())
    assert len(files) > 5
    for file in files:
        content = file.read_bytes()
        for place in (0, len(content) // 2, len(content) - 1):
            changed = bytearray(content)
            changed[place] ^= 1
            file.write_bytes(changed)
            with pytest.raises(BundleError):
                open_bundle(signed, keys[1])
        file.write_bytes(content)
    open_bundle(signed, keys[1])


def test_added_and_renamed_files_are_refused(signed, keys):
    (signed / "more.txt").write_text("", encoding="utf-8")
    with pytest.raises(BundleError, match=r"more.txt: is not in the manifest"):
        open_bundle(signed, keys[1])
    (signed / "more.txt").unlink()
    (signed / "vocab.txt").rename(signed / "words.txt")
    with pytest.raises(BundleError):
        open_bundle(signed, keys[1])


def test_manifest_that_was_made_to_fit_is_refused(signed, keys):
    # Planted: whoever changes a file can write its digest, but not sign it.
    replies = signed / "replies.json"
    before = open_bundle(signed).manifest.files["replies.json"].sha256
    replies.write_bytes(replies.read_bytes().replace(b"e", b"x", 1))
    from pocketbert.base.files import sha256

    manifest = signed / MANIFEST
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace(before, sha256(replies)), encoding="utf-8")
    open_bundle(signed)
    with pytest.raises(BundleError, match="is not signed with"):
        open_bundle(signed, keys[1])


def test_what_is_no_key_is_named(signed, keys, tmp_path):
    other = tmp_path / "other.pem"
    with pytest.raises(InputError, match="Make a key with pocketbert keygen"):
        check_signature(signed, b"", b"", other)
    other.write_text("no key", encoding="utf-8")
    with pytest.raises(InputError, match="is no public key in PEM"):
        check_signature(signed, b"", b"", other)
    with pytest.raises(InputError, match="is no private key in PEM"):
        sign(signed, other)
    with pytest.raises(InputError, match="is no public key in PEM"):
        check_signature(signed, b"", b"", keys[0])


def test_passphrase_opens_the_key(signed, tmp_path):
    private, public = make_keys(tmp_path / "locked", "a secret")
    with pytest.raises(InputError, match="that this passphrase opens"):
        sign(signed, private)
    with pytest.raises(InputError, match="that this passphrase opens"):
        sign(signed, private, "another")
    sign(signed, private, "a secret")
    open_bundle(signed, public)


def test_signature_is_installed_with_the_bundle(signed, keys, tmp_path):
    open_bundle(install(open_bundle(signed), tmp_path / "copy"), keys[1])


@pytest.mark.parametrize(
    "arguments",
    [
        ("chat", "BUNDLE"),
        ("eval", "BUNDLE", "--data", "x.csv"),
        ("bench", "BUNDLE"),
        ("diff", "BUNDLE", "BUNDLE"),
        ("install", "BUNDLE", "elsewhere"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_every_command_refuses_a_bundle_of_another_maker(signed, tmp_path, arguments):
    _, theirs = make_keys(tmp_path / "theirs")
    words = [str(signed) if word == "BUNDLE" else word for word in arguments]
    done = CliRunner().invoke(app, [*words, "--key", str(theirs)])
    assert isinstance(done.exception, BundleError)
    assert "is not signed with" in str(done.exception)


def test_command_line(signed, tmp_path):
    made = pocketbert("keygen", str(tmp_path / "k"))
    assert made.returncode == 0 and "keep it secret" in made.stdout
    public = ("--key", str(tmp_path / "k" / "public.pem"))
    refused = pocketbert("verify", str(signed), *public)
    assert refused.returncode == 2 and "is not signed with" in refused.stderr
    done = pocketbert("sign", str(signed), str(tmp_path / "k" / "private.pem"))
    assert done.returncode == 0, done.stderr
    done = pocketbert("verify", str(signed), *public)
    assert done.returncode == 0, done.stderr
