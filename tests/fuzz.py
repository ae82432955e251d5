"""Damage done to a bundle on purpose, and hostile texts: what must be refused, and never kill.

Seeded, and run in processes of their own, since what is looked for is the death of one.
"""

from pocketbert.base.quiet import quiet

quiet()  # before any toolchain is imported

import json  # noqa: E402
import multiprocessing  # noqa: E402
import random  # noqa: E402
import re  # noqa: E402
import shutil  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from multiprocessing.connection import Connection  # noqa: E402
from pathlib import Path  # noqa: E402
from tempfile import TemporaryDirectory  # noqa: E402
from typing import Annotated  # noqa: E402

import toy  # noqa: E402
import typer  # noqa: E402

from pocketbert.app.cli.console import err, out, progress  # noqa: E402
from pocketbert.base.errors import BundleError  # noqa: E402
from pocketbert.base.progress import track  # noqa: E402
from pocketbert.bundle.classify import ChatEngine, Classifier  # noqa: E402
from pocketbert.bundle.golden import TORTURE  # noqa: E402
from pocketbert.bundle.layout import READ  # noqa: E402
from pocketbert.bundle.open import open_bundle  # noqa: E402
from pocketbert.bundle.signing import make_keys, sign  # noqa: E402
from pocketbert.targets.coreml.run import EVALUATOR  # noqa: E402

BATCH = 500  # that one process does
REFUSED, ACCEPTED, ANSWERED, DIED = "refused", "accepted", "answered", "died"
HARMLESS = "harmless"  # an unsigned manifest that opens, its change one of words or in limits
WORDS = re.compile(
    r"\.(schema|name|out_of_scope_label|provenance\.|tokenizer\.lowercase = True"
    # What these mean where they are absent is what the bundle means; else characters.json differs.
    r"|tokenizer\.(strip_accents|split_chinese) (= (True|None)|removed|renamed)"
    r"|artifacts\.[\w-]+\.(dynamic = |lengths|metrics|quantization|min_runtime|reason|verified_by"
    r"|recipe\.|temperature|threshold|tolerance))"
)
Report = Callable[[str, str], None]  # an outcome, and what led to it


@dataclass(frozen=True)
class Outcomes:
    """How often each outcome came, and what led to those that must not."""

    counts: Counter[str]
    bad: tuple[str, ...]


def mutate_files(bundle: Path, count: int, seed: int = 0) -> Outcomes:
    """Open `count` damaged copies of a signed `bundle`; every one must be refused.

    Files are changed, cut, lengthened, swapped, renamed, added and removed, the manifest and the
    signature among them.
    """
    return _run(_damage, bundle, count, seed, wanted=(REFUSED,))


def mutate_manifests(bundle: Path, count: int, seed: int = 0) -> Outcomes:
    """Open `count` unsigned copies with a changed manifest.

    Each is refused, or the change is to words that nothing depends on or to a value in its limits.
    """
    return _run(_edit_manifest, bundle, count, seed, wanted=(REFUSED, HARMLESS))


def reseal_contents(bundle: Path, count: int, seed: int = 0) -> Outcomes:
    """Open `count` unsigned copies with a damaged file and its new digest, and load what opens.

    What can't be told from another bundle opens; anything but that and a `BundleError` is a death.
    """
    return _run(_reseal, bundle, count, seed, wanted=(REFUSED, HARMLESS))


def hostile_texts(bundle: Path, count: int, seed: int = 0) -> Outcomes:
    """Have every artefact that runs here answer `count` texts of any characters and length."""
    return _run(_answer, bundle, count, seed, wanted=(ANSWERED,))


def _run(
    work: Callable[[Path, range, int, Report], None],
    bundle: Path,
    count: int,
    seed: int,
    *,
    wanted: tuple[str, ...],
) -> Outcomes:
    """Do `count` pieces of `work` in batches; one that kills its process counts as such."""
    counts, bad = Counter[str](), list[str]()
    context = multiprocessing.get_context("spawn")
    batches = [range(at, min(at + BATCH, count)) for at in range(0, count, BATCH)]
    for batch in track(batches, work.__name__.strip("_").replace("_", " ").capitalize()):
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=_child, args=(work, bundle, batch, seed, theirs))
        child.start()
        theirs.close()
        for outcome, what in _receive(ours):
            counts[outcome] += 1
            if outcome not in wanted:
                bad.append(f"{outcome}: {what}")
        child.join()
        if child.exitcode != 0:
            counts[DIED] += 1
            bad.append(f"{DIED} with {child.exitcode} in {batch}, seed {seed}")
    return Outcomes(counts, tuple(bad))


def _receive(pipe: Connection) -> Iterator[tuple[str, str]]:
    while True:
        try:
            yield pipe.recv()
        except EOFError:
            return


def _child(
    work: Callable[[Path, range, int, Report], None],
    bundle: Path,
    batch: range,
    seed: int,
    pipe: Connection,
) -> None:
    work(bundle, batch, seed, lambda outcome, what: pipe.send((outcome, what)))


def _damage(bundle: Path, batch: range, seed: int, report: Report) -> None:
    with TemporaryDirectory() as scratch:
        copy = Path(scratch) / "bundle"
        shutil.copytree(bundle, copy)
        private, public = make_keys(Path(scratch) / "keys")
        sign(copy, private)
        files = sorted(file for file in copy.rglob("*") if file.is_file())
        for number in batch:
            chance = random.Random(f"{seed} {number}")
            file = chance.choice(files)
            content = file.read_bytes()
            what = _spoil(file, content, files, chance)
            try:
                open_bundle(copy, public)
            except BundleError:
                report(REFUSED, what)
            else:
                report(ACCEPTED, what)
            _restore(copy, bundle, file, content)


def _spoil(file: Path, content: bytes, files: list[Path], chance: random.Random) -> str:
    """Damage `file` in one of many ways, and say how."""
    place = chance.randrange(len(content) + 1)
    other = chance.choice([one for one in files if one != file])
    ways: dict[str, Callable[[], bytes | None]] = {
        "flip": lambda: _flipped(content, chance),
        "cut": lambda: content[: min(place, len(content) - 1)],
        "insert": lambda: content[:place] + chance.randbytes(3) + content[place:],
        "append": lambda: content + chance.randbytes(chance.randint(1, 64)),
        "other": lambda: other.read_bytes(),
        "remove": lambda: None,
        "rename": lambda: None,
        "add": lambda: content,
        "link": lambda: content,
    }
    way = chance.choice(sorted(ways))
    spoiled = ways[way]()
    if way == "add":
        file.with_name(f"{file.name}.{chance.randrange(1000)}").write_bytes(content)
    elif way == "link":  # to what it was, or to what is elsewhere
        moved = shutil.move(file, file.parents[1] / f"{file.name}.moved")
        file.symlink_to(moved if chance.random() < 0.5 else "/etc")
    elif way == "rename":
        file.rename(file.with_name(f"renamed-{file.name}"))
    elif spoiled is None:
        file.unlink()
    else:
        file.write_bytes(spoiled)
    return f"{way} {file.name} at {place}"


def _flipped(content: bytes, chance: random.Random) -> bytes:
    spoiled = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        spoiled[chance.randrange(len(spoiled))] ^= 1 << chance.randrange(8)
    return bytes(spoiled) if bytes(spoiled) != content else content[:-1]


def _restore(copy: Path, bundle: Path, file: Path, content: bytes) -> None:
    known = {one.relative_to(bundle) for one in bundle.rglob("*")} | {file.relative_to(copy)}
    if file.is_symlink():
        file.unlink()
    for one in [one for one in copy.rglob("*") if one.is_file()]:
        if one.relative_to(copy) not in known and one.name != "manifest.sig":
            one.unlink()
    file.write_bytes(content)


def _edit_manifest(bundle: Path, batch: range, seed: int, report: Report) -> None:
    with TemporaryDirectory() as scratch:
        copy = Path(scratch) / "bundle"
        shutil.copytree(bundle, copy)
        manifest = copy / "manifest.json"
        whole = json.loads(manifest.read_text(encoding="utf-8"))
        for number in batch:
            chance = random.Random(f"{seed} {number}")
            changed = json.loads(json.dumps(whole))
            what = _edit(changed, chance)
            manifest.write_text(json.dumps(changed), encoding="utf-8")
            try:
                open_bundle(copy)
            except BundleError:
                report(REFUSED, what)
            else:
                report(HARMLESS if WORDS.match(what) else ACCEPTED, what)


def _reseal(bundle: Path, batch: range, seed: int, report: Report) -> None:
    with TemporaryDirectory() as scratch:
        copy = Path(scratch) / "bundle"
        shutil.copytree(bundle, copy)
        whole = (copy / "manifest.json").read_text(encoding="utf-8")
        for number in batch:
            chance = random.Random(f"{seed} {number}")
            file = copy / chance.choice(READ)
            content = file.read_bytes()
            place = chance.randrange(len(content))
            file.write_bytes(_damaged(content, place, chance))
            toy.reseal(copy, file.name)
            try:
                opened = open_bundle(copy)
                if "tflite" in opened.artifacts:
                    opened.load("tflite")
            except BundleError:
                report(REFUSED, f"{file.name} at {place}")
            else:
                report(HARMLESS, f"{file.name} at {place}")
            file.write_bytes(content)
            (copy / "manifest.json").write_text(whole, encoding="utf-8")


def _damaged(content: bytes, place: int, chance: random.Random) -> bytes:
    """Bytes flipped, cut, put in; or a number in JSON replaced by a strange value."""
    way = chance.randrange(4)
    if way == 0:
        return _flipped(content, chance)
    if way == 1:
        return content[:place]
    strange = json.dumps(_strange(chance)).encode()
    if way == 2:
        return content[:place] + strange + content[place:]
    digits = re.compile(rb"\d+").search(content, place)
    return content[: digits.start()] + strange + content[digits.end() :] if digits else b""


def _edit(value: object, chance: random.Random, path: str = "") -> str:
    """Change one value somewhere below, and say where."""
    if isinstance(value, dict) and value:
        key = chance.choice(sorted(value))
        if isinstance(value[key], dict | list) and value[key] and chance.random() < 0.9:
            return _edit(value[key], chance, f"{path}.{key}")
        if chance.random() < 0.2:
            del value[key]
            return f"{path}.{key} removed"
        if chance.random() < 0.2:
            value[str(_strange(chance))] = value.pop(key)
            return f"{path}.{key} renamed"
        value[key] = _strange(chance)
        return f"{path}.{key} = {value[key]!r:.40}"
    if isinstance(value, list) and value:
        place = chance.randrange(len(value))
        value[place] = _strange(chance)
        return f"{path}[{place}] = {value[place]!r:.40}"
    return f"{path} left"


def _strange(chance: random.Random) -> object:
    return chance.choice(
        [
            *(
                None,
                True,
                0,
                -1,
                10**30,
                1.5,
                float("1e308"),
                "",
                ".",
                "..",
                "../x",
                "/etc/passwd",
                "a" * 9999,
            ),
            *([], {}, [[]], [None], {"a": 1}, "\x00", "nul", "2.0", "1.1", [1, 2, 3], "\ud7ff"),
        ]
    )


def _answer(bundle: Path, batch: range, seed: int, report: Report) -> None:
    opened = open_bundle(bundle)
    engines = {}
    for name in opened.artifacts:
        runner = opened.load(name)
        if runner.engine != EVALUATOR:
            engines[name] = ChatEngine(Classifier(opened, name, runner))
    for number in batch:
        chance = random.Random(f"{seed} {number}")
        text = _hostile(chance)
        for name, engine in engines.items():
            answer = engine.answer(text)
            right = answer.reply and 0 <= answer.confidence <= 1
            report(ANSWERED if right else ACCEPTED, f"{name}: {text!r:.80}")


def _hostile(chance: random.Random) -> str:
    """Any code points, lone surrogates too; sometimes very long, sometimes made of torture."""
    if chance.random() < 0.2:
        return "".join(chance.choices(TORTURE, k=chance.randint(1, 4)))
    length = 10_000 if chance.random() < 0.01 else chance.randint(0, 80)
    most = chance.choice((0x7F, 0x24F, 0xFFFF, 0x10FFFF))
    return "".join(chr(chance.randint(0, most)) for _ in range(length))


def main(
    bundle: Path,
    files: Annotated[int, typer.Option(help="Damaged copies of the signed bundle.")] = 20_000,
    texts: Annotated[int, typer.Option(help="Hostile texts.")] = 20_000,
    seed: int = 0,
) -> None:
    """Damage a bundle and ask it hostile texts; exit 1 where one is accepted or kills a process."""
    failed = False
    with progress():
        for what, fuzz, count in (
            ("damaged copies", mutate_files, files),
            ("changed manifests, unsigned", mutate_manifests, files // 10),
            ("changed contents, sealed anew", reseal_contents, files // 10),
            ("hostile texts", hostile_texts, texts),
        ):
            found = fuzz(bundle.resolve(), count, seed)
            told = ", ".join(f"{n:,} {outcome}" for outcome, n in sorted(found.counts.items()))
            out.print(f"{what}: {told}")
            for one in found.bad[:10]:
                err.print(f"  {one}", markup=False)
            failed |= bool(found.bad) or found.counts.total() < count  # none is skipped
    raise SystemExit(failed)


if __name__ == "__main__":
    typer.run(main)
