"""The formats a student is lowered to. A new one is one new file and one name in this list."""

from importlib import import_module

from pipeline.targets.base import Target

# name -> module and class; imported on demand, since each brings a heavy toolchain.
TARGETS = {
    "executorch": ("pipeline.targets.executorch", "ExecuTorch"),
    "tflite": ("pipeline.targets.tflite", "TFLite"),
    "tflite-task": ("pipeline.targets.tflite_task", "TFLiteTask"),
    "coreml": ("pipeline.targets.coreml", "CoreML"),
    "executorch-coreml": ("pipeline.targets.executorch_coreml", "ExecuTorchCoreML"),
}


def get_target(name: str) -> Target:
    """The target called `name`, one of `TARGETS`."""
    module, cls = TARGETS[name]
    target: Target = getattr(import_module(module), cls)()
    return target
