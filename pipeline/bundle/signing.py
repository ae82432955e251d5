"""Who made a bundle: ECDSA on P-256 over its manifest, whose digests hold for everything else.

Keys and signatures are what the phones' own libraries read: PEM (SubjectPublicKeyInfo, PKCS #8),
and DER over SHA-256 (FIPS 186-5), in `manifest.sig` beside the manifest.
"""

import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from ..base.errors import BundleError, InputError
from ..base.files import replacing_file
from .layout import MANIFEST, SIGNATURE

PRIVATE, PUBLIC = "private.pem", "public.pem"
ALGORITHM = ec.ECDSA(hashes.SHA256())


def make_keys(folder: Path, passphrase: str | None = None) -> tuple[Path, Path]:
    """Write a new private key, readable by its owner alone, and its public key into `folder`.

    Raises:
        InputError: there is a key already: bundles signed with it would lose their maker.
    """
    private, public = folder / PRIVATE, folder / PUBLIC
    if existing := [file for file in (private, public) if file.exists()]:
        raise InputError(f"{existing[0]}: is there already. Name another folder, or use this key.")
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase:
        encryption = BestAvailableEncryption(passphrase.encode())
    with open(private, "xb", opener=lambda file, flags: os.open(file, flags, 0o600)) as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


def sign(folder: Path, private: Path, passphrase: str | None = None) -> Path:
    """Sign the manifest in `folder`, and return the signature's file.

    Raises:
        InputError: no P-256 key in PEM, or another passphrase.
    """
    try:
        key = load_pem_private_key(_read(private), passphrase.encode() if passphrase else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(
            f"{private}: is no private key in PEM that this passphrase opens. Use that of keygen."
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise InputError(f"{private}: is no P-256 key. Use that of pocketbert keygen.")
    made = key.sign((folder / MANIFEST).read_bytes(), ALGORITHM)
    with replacing_file(folder / SIGNATURE) as file:
        file.write_bytes(made)
    return folder / SIGNATURE


def check_signature(folder: Path, manifest: bytes, signature: bytes | None, public: Path) -> None:
    """Refuse the bundle in `folder` if its `manifest` is not signed by the owner of `public`.

    Raises:
        InputError: no P-256 key in PEM.
        BundleError: no signature, or that of another key or manifest.
    """
    try:
        key = load_pem_public_key(_read(public))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(f"{public}: is no public key in PEM. Use that of keygen.") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise InputError(f"{public}: is no P-256 key. Use that of pocketbert keygen.")
    if signature is None:
        raise BundleError(f"{folder}: has no {SIGNATURE}. Sign it, or get a signed one.")
    try:
        key.verify(signature, manifest, ALGORITHM)
    except InvalidSignature as error:
        raise BundleError(
            f"{folder}: is not signed with {public}: another key, or a manifest that was changed. "
            "Do not use it."
        ) from error


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}. Make a key with pocketbert keygen.") from error
