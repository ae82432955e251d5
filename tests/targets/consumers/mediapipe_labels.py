"""Run by MediaPipe's own environment: a model, and texts as JSON on stdin, to labels as JSON."""

import json
import sys

from mediapipe.tasks.python import BaseOptions
from mediapipe.tasks.python.text import TextClassifier, TextClassifierOptions

options = TextClassifierOptions(base_options=BaseOptions(model_asset_path=sys.argv[1]))
labels = []
with TextClassifier.create_from_options(options) as classifier:
    for text in json.load(sys.stdin):
        (categories,) = classifier.classify(text).classifications
        labels.append(max(categories.categories, key=lambda c: c.score).category_name)
json.dump(labels, sys.stdout)
