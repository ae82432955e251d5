"""TFLite: `.tflite` files, lowered, read back, run."""
