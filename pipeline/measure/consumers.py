"""What a `tflite-task` artefact loses in its consumers, whose tokenizer is not Hugging Face's.

Task Library and MediaPipe keep accents and lowercase ASCII alone. It runs the float student, on the
ids that they would make.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..models.batches import batch_ids
from ..targets.tflite.task import as_consumers_read

if TYPE_CHECKING:
    from ..models.student import Student


def loss_in_consumers(
    student: "Student", texts: Sequence[str], labels: Sequence[int]
) -> tuple[str, ...]:
    """A finding of how many `texts` they read otherwise, and what that costs; none where none."""
    ours = [encoding.ids for encoding in student.vocabulary.tokenizer.encode_batch(list(texts))]
    theirs = as_consumers_read(student.vocabulary, texts)
    rows = [row for row, ids in enumerate(ours) if ids != theirs[row]]
    if not rows:
        return ()
    wanted = np.asarray(labels)[rows]

    def right(ids: list[list[int]]) -> int:
        logits = student.forward(*batch_ids([ids[row] for row in rows]))
        return int((logits.detach().numpy().argmax(1) == wanted).sum())

    return (
        f"tflite-task: Task Library and MediaPipe read {len(rows)} of the {len(texts)} test texts "
        f"otherwise (accents, capitals beyond ASCII), and the student has {right(theirs)} of these "
        f"right there, {right(ours)} with its own ids",
    )
