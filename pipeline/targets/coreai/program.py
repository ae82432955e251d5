"""The program in an `.aimodel`, as the text that Apple's compiler prints and parses.

It serves two ends: names that are the same in every run, and the content of the weights, which
coreai-core 1.0.0b3 prints and has no call for. It knows nothing of torch and of the runtime.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Weights are named after a hash that every process seeds anew, graphs get eight random letters.
RANDOM_NAME = re.compile(r"\bresource_\d+\b|(?<=@)\w+?_[a-z]{8}(?=\b|_spec_)")
WEIGHT = re.compile(r'^ +\w+: "0x[0-9A-F]{8}([0-9A-F]*)"', re.MULTILINE)  # behind its alignment


def save(program: Any, path: Path) -> None:
    """Write `program` to the folder `path`, in the same bytes whenever that is done."""
    from coreai.runtime import AIModelAssetMetadata

    metadata = AIModelAssetMetadata()
    metadata.model_description = "pocketbert intent classifier"
    parse(_with_stable_names(to_text(program))).save_asset(path, metadata)
    file = path / "metadata.json"
    saved = json.loads(file.read_text(encoding="utf-8"))
    del saved["creationDate"]
    file.write_text(json.dumps(saved, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def parse(text: str) -> Any:
    """The program that `text` says."""
    from coreai._compiler.ir import Module
    from coreai.authoring import AIProgram
    from coreai.authoring.context import Context

    with Context()._mlir_context:
        return AIProgram._from_mlir_module(Module.parse(text))


def to_text(program: Any) -> str:
    """All of `program` with its weights, without where in Python each operation comes from."""
    text: str = program._module._mlir_module.operation.get_asm(large_elements_limit=None)
    return text


def _with_stable_names(text: str) -> str:
    """`text`, its weights and graphs numbered in the order of their first use."""
    names = dict[str, str]()

    def rename(found: re.Match[str]) -> str:
        return names.setdefault(found[0], f"{found[0].rpartition('_')[0]}_{len(names)}")

    return RANDOM_NAME.sub(rename, text)


def blobs(path: Path) -> tuple[bytes, ...]:
    """Content of every constant in the `.aimodel` at `path`, each once."""
    from coreai.authoring import AIModelAsset

    program = AIModelAsset.load(path).program
    _, _, weights = to_text(program).rpartition("dialect_resources:")
    stored = [bytes.fromhex(content) for content in WEIGHT.findall(weights)]
    constants = (
        operation.attributes["value"]
        for operation in _operations(program._module._mlir_module.operation)
        if operation.name == "coreai.constant"
    )
    inline = filter(_is_inline, dict.fromkeys(constants))  # functions share them
    return (*stored, *(bytes(memoryview(value)) for value in inline))


def _operations(operation: Any) -> Iterator[Any]:
    for region in operation.regions:
        for block in region.blocks:
            for inner in block.operations:
                yield inner.operation
                yield from _operations(inner.operation)


def _is_inline(value: Any) -> bool:
    from coreai._compiler.ir import DenseElementsAttr

    return DenseElementsAttr.isinstance(value) and not DenseElementsAttr(value).is_splat
