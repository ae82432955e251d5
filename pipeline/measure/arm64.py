"""The artefacts through the runtimes' real ARM64 kernels, in QEMU: right answers, and instructions.

Instructions repeat exactly and are what a phone's processor executes, too; how fast it does, which
depends on clocks and caches, is not known here. `scripts/arm64` sets everything up.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pydantic import TypeAdapter, ValidationError

from ..base.arrays import Logits
from ..base.config import StudentSpec
from ..base.errors import BundleError, TargetUnavailable
from ..base.files import digest
from ..base.progress import track
from ..bundle.open import Bundle
from ..models.cost import multiply_adds
from .host import LENGTHS, sample_texts, text_of
from .programs import output_of
from .record import Instructions, LatencyRecord, LengthCost

TOOLS = Path(__file__).parents[2] / ".arm64"
QEMU = "qemu-aarch64"
SETUP = "Run scripts/arm64 in the repository."
RUNNERS = {"executorch": "executorch_runner", "tflite": "litert_runner"}
PACKAGES = {"executorch": "executorch", "tflite": "ai-edge-litert"}
EQUAL = 1e-4  # of a logit
HANGS = 3600  # seconds after which an emulation is given up that takes a minute
CALLS = 40  # whose instructions are counted; starting the program varies by some thousands
BASE = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
DOT = f"{BASE} atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"


@dataclass(frozen=True)
class Core:
    """A processor that QEMU emulates, and what Linux would say of it.

    The runtimes read the features from /proc/cpuinfo, so both must agree.
    """

    qemu: str
    part: str
    features: str
    words: str


# Never QEMU's default, `max`: with SME its int8 logits are wrong, without it they are right. It has
# no part number of its own; as a Neoverse N2 both runtimes run, as some others LiteRT crashes.
CORES = {
    "cortex-a53": Core("cortex-a53", "0xd03", BASE, "no dot product"),
    "cortex-a76": Core("cortex-a76", "0xd0b", DOT, "dot product"),
    "i8mm": Core("max,sme=off", "0xd49", f"{DOT} i8mm bf16", "int8 matrix product"),
}


def missing() -> str:
    """What is not set up here; empty where all is."""
    lacking = [] if shutil.which(QEMU) else [QEMU]
    lacking += [n for n in (*RUNNERS.values(), "count.so") if not (TOOLS / n).exists()]
    lacking += [
        f"the ARM64 wheel of {package} {version(package)}"
        for package in PACKAGES.values()
        if _wheel(package) != version(package)
    ]
    return ", ".join(lacking)


def count_instructions(bundle: Bundle, target: str, core: str = "cortex-a76") -> LatencyRecord:
    """Reproduce the golden cases on an emulated `core`, then count instructions by length.

    Raises:
        TargetUnavailable: no ARM64 runner for the target, or not set up.
        BundleError: logits that differ from the sealed ones by more than the artefact's tolerance.
    """
    if target not in RUNNERS:
        raise TargetUnavailable(f"{target}: no ARM64 runner; there are {', '.join(RUNNERS)}.")
    if lacking := missing():
        raise TargetUnavailable(f"arm64: {lacking} missing. {SETUP}")
    parity = _check(bundle, target, core)
    texts, costs = sample_texts(bundle), []
    spec = _student(bundle)
    lengths = [n for n in LENGTHS if n <= bundle.vocabulary.max_length]
    for tokens in track(lengths, f"Count {target} on {core}"):
        ids = text_of(bundle, tokens, texts)[0].tolist()
        first = _run(bundle, target, core, ids, 1)[1]
        more = _run(bundle, target, core, ids, 1 + CALLS)[1]
        total, simd, sdot = (
            (after - before) // CALLS for before, after in zip(first, more, strict=True)
        )
        floor = multiply_adds(spec, len(bundle.labels), tokens) // 16
        costs.append(
            LengthCost(
                tokens=tokens,
                instructions=Instructions(total=total, simd=simd, sdot=sdot, floor=floor),
            )
        )
    return LatencyRecord(
        kind="arm64-emulated",
        device=core,
        system=f"QEMU, {CORES[core].words}",
        artifact=target,
        sha256=digest(bundle.artifacts[target].artifact.path),
        runtime=f"{PACKAGES[target]} {_wheel(PACKAGES[target])}, its ARM64 kernels",
        threads=1,
        by_length=tuple(costs),
        remarks=(parity,),
    )


def _student(bundle: Bundle) -> StudentSpec:
    """The shape of the student, of which the floor is counted."""
    try:
        return TypeAdapter(StudentSpec).validate_python(bundle.manifest.provenance.student)
    except ValidationError as error:
        raise BundleError(
            f"{bundle.path}: provenance does not say what the student's shape is. Make the bundle "
            "again."
        ) from error


def _check(bundle: Bundle, target: str, core: str) -> str:
    """Run the golden cases, and say how near their logits are to those sealed.

    Activations are rounded to int8, so a last bit that differs may move a logit by a whole step:
    most cases are equal, and a few differ within the tolerance.
    """
    logits, _ = _run(bundle, target, core, [list(case.input_ids) for case in bundle.golden], 1)
    sealed = np.array([case.logits[target] for case in bundle.golden], np.float32)
    difference = np.abs(logits - sealed).max(1)
    worst, limit = float(difference.max()), bundle.artifacts[target].tolerance
    if not worst <= limit:
        raise BundleError(
            f"{target}: on an emulated {core} a logit differs by {worst:.3g} from the one sealed, "
            f"and {limit:.3g} is allowed. Do not ship it for such processors."
        )
    equal = int((difference <= EQUAL).sum())
    cases = f"golden cases: {equal} of {len(difference)} equal"
    return f"{cases}, largest difference of a logit {worst:.2g}"


def _run(
    bundle: Bundle, target: str, core: str, texts: Sequence[Sequence[int]], repeats: int
) -> tuple[Logits, tuple[int, int, int]]:
    """Logits (texts, labels), and instructions: all, SIMD, SDOT."""
    with TemporaryDirectory() as scratch:
        counts = Path(scratch) / "counts"
        command = [
            *(QEMU, "-cpu", CORES[core].qemu, "-L", str(_root(Path(scratch), core))),
            *("-plugin", f"{TOOLS / 'count.so'},out={counts}"),
            *(str(TOOLS / RUNNERS[target]), str(bundle.artifacts[target].artifact.path)),
            str(repeats),
        ]
        lines = "".join(f"{len(ids)} {' '.join(map(str, ids))}\n" for ids in texts)
        what = f"{target} on an emulated {core}"
        printed = output_of(command, what, HANGS, stdin=lines)
        total, simd, sdot = map(int, counts.read_text(encoding="utf-8").split())
    rows = [[float(value) for value in line.split()] for line in printed.splitlines()]
    return np.array(rows, np.float32), (total, simd, sdot)


def _wheel(package: str) -> str:
    """Version of the ARM64 wheel that is set up; empty where none is."""
    found = (TOOLS / "wheels").glob(f"{package.replace('-', '_')}-*.dist-info")
    return next((one.stem.rpartition("-")[2] for one in found), "")


def _root(scratch: Path, core: str) -> Path:
    """What the emulated program sees of the system: libraries, and a /proc/cpuinfo of its own."""
    root = scratch / "root"
    (root / "proc").mkdir(parents=True)
    (root / "lib").symlink_to("/usr/aarch64-linux-gnu/lib")
    told = {
        "processor": "0",
        "Features": CORES[core].features,
        "CPU implementer": "0x41",
        "CPU architecture": "8",
        "CPU variant": "0x0",
        "CPU part": CORES[core].part,
        "CPU revision": "1",
    }
    (root / "proc" / "cpuinfo").write_text(_lines(told), encoding="utf-8")
    return root


def _lines(told: Mapping[str, str]) -> str:
    return "".join(f"{name}\t: {value}\n" for name, value in told.items()) + "\n"
