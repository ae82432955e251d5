"""Versions of what is installed, read without importing it."""

from importlib.metadata import version

# Packages whose release can change what a stage makes.
VERSIONS = (
    "torch",
    "transformers",
    "accelerate",
    "tokenizers",
    "torchao",
    "executorch",
    "litert-torch",
    "ai-edge-litert",
    "ai-edge-quantizer",
    "coremltools",
    "tflite-support",
    "scikit-learn",
)


def installed_version(name: str) -> str | None:
    """Version of an installed distribution, None where it is missing."""
    try:
        return version(name)
    except ImportError:
        return None
