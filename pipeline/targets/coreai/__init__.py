"""Core AI: `.aimodel` folders, lowered, read back, run by Apple's runtime, on Linux, too."""
