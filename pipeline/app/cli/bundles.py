"""The commands that check, compare, sign and install bundles: parsing and printing only."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ...base.config import DataConfig
from ...base.errors import GateFailed, TargetUnavailable
from .console import err, out, plain, print_json, progress, shown
from .options import AllowMissing, BundleFolder, Json, Key, to_names, to_share

Passphrase = Annotated[
    str | None,
    typer.Option(
        envvar="POCKETBERT_PASSPHRASE", help="Of the private key; better in the environment."
    ),
]


def verify(
    bundle: BundleFolder,
    key: Key = None,
    allow_missing: AllowMissing = False,
    as_json: Json = False,
) -> None:
    """Check every digest, and have every artefact reproduce the golden cases."""
    from ...bundle.open import open_bundle

    opened = open_bundle(bundle, key)
    from ...measure.audit import Audit, verify_bundle
    from .show import bundles as show

    with progress():
        outcomes = verify_bundle(opened)
    if as_json:
        print_json({name: plain(outcome) for name, outcome in outcomes.items()})
    else:
        show.verified(out, opened, outcomes)
    audited = [name for name, outcome in outcomes.items() if isinstance(outcome, Audit)]
    forgiven = TargetUnavailable if allow_missing and audited else Audit
    failed = [name for name, found in outcomes.items() if not isinstance(found, (Audit, forgiven))]
    if failed:
        raise GateFailed(
            f"{bundle}: not verified: {', '.join(failed)}. What has no runtime here is let pass "
            "with --allow-missing."
        )


def evaluate(
    bundle: BundleFolder,
    data: Annotated[Path, typer.Option(help="Labelled file: .jsonl, .csv, .tsv or .json.")],
    student: Annotated[
        Path | None, typer.Option(help="Float student to agree with; default: beside the bundle.")
    ] = None,
    text_column: Annotated[str, typer.Option(help="Column of the text.")] = "text",
    intent_column: Annotated[str, typer.Option(help="Column of the intent.")] = "intent",
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Accuracy, agreement and out-of-scope figures of every artefact on labelled text."""
    from ...bundle.open import open_bundle

    opened = open_bundle(bundle, key)
    from ...measure.audit import evaluate_bundle
    from .show import bundles as show

    columns = DataConfig(
        text=text_column,
        intent=intent_column,
        out_of_scope_label=opened.out_of_scope_label,
    )
    with progress():
        outcomes, findings = evaluate_bundle(opened, data, columns, student)
    for finding in findings:
        err.print(f"data: {escape(finding)}")
    if as_json:
        print_json({name: plain(outcome) for name, outcome in outcomes.items()})
    else:
        show.evaluated(out, outcomes)


def install(
    bundle: BundleFolder,
    destination: Annotated[
        Path, typer.Argument(help="android_demo, ios_demo, or the folder that becomes the bundle.")
    ],
    targets: Annotated[
        str | None,
        typer.Option(help="Artefacts to take, instead of all that an app takes; with commas."),
    ] = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Check a bundle and copy it, or the part that an app runs, where the app's build finds it."""
    from ...bundle.install import install
    from ...bundle.open import open_bundle

    placed = install(open_bundle(bundle, key), destination, to_names(targets) or ())
    if as_json:
        print_json({"bundle": str(placed)})
    else:
        out.print(f"bundle   {shown(placed)}")


def keygen(
    folder: Annotated[Path, typer.Argument(help="Where the two keys go.")],
    passphrase: Passphrase = None,
    as_json: Json = False,
) -> None:
    """Make a pair of keys: private.pem signs bundles, public.pem goes into apps."""
    from ...bundle.signing import make_keys

    private, public = make_keys(folder, passphrase)
    if as_json:
        print_json({"private": str(private), "public": str(public)})
    else:
        out.print(f"private  {shown(private)}  keep it secret, and out of the repository")
        out.print(f"public   {shown(public)}")


def sign(
    bundle: BundleFolder,
    private: Annotated[Path, typer.Argument(help="Private key, from keygen.")],
    passphrase: Passphrase = None,
    as_json: Json = False,
) -> None:
    """Check a bundle, and sign its manifest."""
    from ...bundle.open import open_bundle
    from ...bundle.signing import sign

    signature = sign(open_bundle(bundle).path, private, passphrase)
    if as_json:
        print_json({"signature": str(signature)})
    else:
        out.print(f"signed   {shown(signature)}")


def diff(
    old: Annotated[Path, typer.Argument(help="Bundle that was shipped.")],
    new: Annotated[Path, typer.Argument(help="Bundle that is to take its place.")],
    max_fall: Annotated[str, typer.Option(help="Of accuracy or agreement, that passes.")] = "1%",
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Say what changed between two bundles; exit 1 where accuracy or agreement fell too far."""
    limit = to_share(max_fall)
    from ...bundle.compare import compare_bundles, fallen
    from ...bundle.open import open_bundle
    from .show import bundles as show

    found = compare_bundles(open_bundle(old, key), open_bundle(new, key))
    if as_json:
        print_json(asdict(found))
    else:
        show.difference(out, found)
    if failures := fallen(found, limit):
        raise GateFailed("; ".join(failures))
