"""The formats a student is lowered to. A new one is one new file and one name in this list."""

from importlib import import_module

from .base import Target

# name -> module and class; imported on demand, since each brings a heavy toolchain.
TARGETS = {
    "executorch": ("pocketbert.targets.executorch.target", "ExecuTorch"),
    "tflite": ("pocketbert.targets.tflite.target", "TFLite"),
    "tflite-task": ("pocketbert.targets.tflite.task", "TFLiteTask"),
    "coreml": ("pocketbert.targets.coreml.target", "CoreML"),
    "executorch-coreml": ("pocketbert.targets.executorch.with_coreml", "ExecuTorchCoreML"),
}


def get_target(name: str) -> Target:
    """The target called `name`, one of `TARGETS`."""
    module, cls = TARGETS[name]
    target: Target = getattr(import_module(module), cls)()
    return target
