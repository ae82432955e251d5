"""The rows of a document's tables, kept where whoever runs a slow test asks for them."""

import json
import os
from pathlib import Path
from typing import Any


def keep_row(variable: str, row: dict[str, Any]) -> None:
    """Add `row` to the JSON lines of the file that the environment's `variable` names, if any."""
    if table := os.environ.get(variable):
        with Path(table).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
