"""The formats a student can be lowered to: the one list. A new one is a folder and a line here."""

# name -> module below `targets`, and its class; imported on demand, since toolchains are heavy.
TARGETS = {
    "executorch": ("executorch.target", "ExecuTorch"),
    "tflite": ("tflite.target", "TFLite"),
    "tflite-task": ("tflite.task", "TFLiteTask"),
    "coreml": ("coreml.target", "CoreML"),
    "executorch-coreml": ("executorch.with_coreml", "ExecuTorchCoreML"),
}
DEFAULT_TARGETS = ("executorch", "tflite", "tflite-task", "coreml")
