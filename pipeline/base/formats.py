"""The formats a student can be lowered to: the one list. A new one is a folder and a line here."""

# name -> module below `targets`, and its class; imported on demand, since toolchains are heavy.
TARGETS = {
    "executorch": ("executorch.target", "ExecuTorch"),
    "tflite": ("tflite.target", "TFLite"),
    "tflite-task": ("tflite.task", "TFLiteTask"),
    "coreml": ("coreml.target", "CoreML"),
    "coreai": ("coreai.target", "CoreAI"),
    "executorch-coreml": ("executorch.with_coreml", "ExecuTorchCoreML"),
}
# On a host, the lightest runtime answers: LiteRT needs no torch, which takes seconds to import.
NEED_NO_TORCH = ("tflite", "tflite-task", "coreai")
LIGHTEST_FIRST = (*NEED_NO_TORCH, *(name for name in TARGETS if name not in NEED_NO_TORCH))
DEFAULT_TARGETS = ("executorch", "tflite", "tflite-task", "coreml", "coreai")
