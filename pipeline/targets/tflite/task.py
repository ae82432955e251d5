"""TFLite for the Task Library and MediaPipe: one signature, weight-only int8, metadata inside.

Both take subgraph 0 only and feed segment ids. Of the int8 recipes, weight-only is the one that
the 2023 Task Library computes rightly. Their C++ tokenizer is not Hugging Face's: it keeps accents
and lowercases ASCII only, so such texts may be answered differently there.
"""

import ctypes
import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ...base.errors import PipelineError, TargetUnavailable
from ...base.recipes import Recipe
from ..base import Artifact, RowRunner, check_recipe, describe_artifact
from ..inspect import Contents
from . import run

if TYPE_CHECKING:
    from ...models.student import Student
    from ...models.vocabulary import Vocabulary

INPUTS = ("ids", "mask", "segment_ids")  # as Task Library and Model Maker call them
DESCRIPTIONS = {
    "int8": "int8 weights per channel, int8 embedding, float activations",
    "float": "float32 weights and activations",
}
EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest date a zip can hold


class TFLiteTask:
    """Per-channel int8 weights and embedding, float activations."""

    name = "tflite-task"
    suffix = ".tflite"
    recipes = ("int8", "int8-compat", "float")

    def lower(self, student: "Student", out: Path, recipe: Recipe) -> Artifact:
        """Write `tflite-task.tflite` with labels, vocabulary and tokenizer settings in it."""
        check_recipe(self.name, self.recipes, recipe)
        check_casing(student.vocabulary)
        import_tflite_support()  # where it is missing, converting would be in vain
        from . import convert
        from .flatbuffer import tidy

        length = student.vocabulary.max_length
        graph = convert.lean(student)
        module = convert.WithSegments(graph)
        model = convert.convert(
            {"serving_default": (module, convert.sample_inputs(INPUTS, length))}
        )
        quantized = convert.quantize(model, graph, recipe, dynamic=False)
        path = out / f"{self.name}{self.suffix}"
        path.write_bytes(_with_metadata(tidy(quantized, refuse_old_runtimes=False), student))
        return describe_artifact(
            self.name,
            path,
            student,
            replace(recipe, dynamic=False),  # as the old runtime needs it
            DESCRIPTIONS[recipe.linear],
            inputs=INPUTS,
            lengths=(length,),
            min_runtime="tensorflow lite task library 0.4.4",
        )

    def prepare(self) -> None:
        """Load LiteRT."""
        run.import_interpreter()

    def load(self, artifact: Artifact) -> RowRunner:
        """Load into LiteRT's interpreter."""
        return run.load(artifact)

    def read(self, artifact: Artifact) -> Contents:
        """Buffers and plan of the file."""
        return run.read(artifact)


def check_casing(vocabulary: "Vocabulary") -> None:
    """Refuse a vocabulary that the consumers' tokenizer would read otherwise in every text.

    Raises:
        TargetUnavailable: it is cased.
    """
    if not vocabulary.lowercase:
        raise TargetUnavailable(
            "tflite-task: the vocabulary is cased, and the tokenizers of Task Library and "
            "MediaPipe lowercase every text. Choose tflite for your own apps, or an uncased BERT."
        )


def as_consumers_read(vocabulary: "Vocabulary", texts: Sequence[str]) -> list[list[int]]:
    """The ids that Task Library and MediaPipe make of `texts`: only ASCII is lowercased."""
    strict = replace(vocabulary, lowercase=False, strip_accents=False).tokenizer
    lowered = ["".join(c.lower() if c.isascii() else c for c in text) for text in texts]
    return [encoding.ids for encoding in strict.encode_batch(lowered)]


def import_tflite_support() -> Any:
    """Import tflite-support's metadata writers, with the libusb that they link.

    Raises:
        TargetUnavailable: it is not installed, or cannot be imported.
    """
    if find_spec("tflite_support") is None:
        raise TargetUnavailable(
            "tflite-task: tflite-support is not installed. It has wheels for Linux x86-64 and "
            "Python 3.10 and 3.11; the other targets do not need it."
        )
    try:
        import libusb_package

        # A fresh Debian lacks libusb-1.0; loaded globally, it satisfies the wheel's own linking.
        ctypes.CDLL(str(libusb_package.get_library_path()), mode=ctypes.RTLD_GLOBAL)
        from tflite_support.metadata_writers import bert_nl_classifier, metadata_info
    except (ImportError, OSError, TypeError) as error:
        raise TargetUnavailable(
            f"tflite-task: tflite-support cannot be imported ({error}). Run scripts/setup again, "
            "or choose other --targets."
        ) from error
    return bert_nl_classifier, metadata_info


def _with_metadata(model: bytes, student: "Student") -> bytes:
    writers, info = import_tflite_support()
    with TemporaryDirectory() as folder:
        labels, vocabulary = Path(folder) / "labels.txt", Path(folder) / "vocab.txt"
        labels.write_text("".join(f"{label}\n" for label in student.labels), encoding="utf-8")
        student.vocabulary.save(Path(folder))
        writer = writers.MetadataWriter.create_for_inference(
            bytearray(model),
            info.BertTokenizerMd(str(vocabulary)),
            [str(labels)],
            ids_name="serving_default_ids",
            mask_name="serving_default_mask",
            segment_name="serving_default_segment_ids",
        )
        packed = bytes(writer.populate())
    if len(packed) <= len(model):
        raise PipelineError(
            f"tflite-task: tflite-support dropped buffers: {len(packed):,} bytes are left of "
            f"{len(model):,}. Install it as pinned (pocketbert doctor lists the versions)."
        )
    return _with_fixed_dates(packed)


def _with_fixed_dates(packed: bytes) -> bytes:
    """Rewrite the zip behind the flatbuffer with constant times: reproducible."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
        start = min(entry.header_offset for entry in archive.infolist())
    out = io.BytesIO(packed[:start])
    with zipfile.ZipFile(out, "a") as archive:  # stored, not deflated: consumers map the file
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content)
    return out.getvalue()
