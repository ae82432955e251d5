"""What a student will cost on a phone, known before it is trained. It measures nothing.

Counted over the lean graph that is lowered: the last layer is computed for the [CLS] row only.
"""

from collections.abc import Iterator

from ..base.config import StudentSpec

SCALE = BIAS = FLOAT = 4  # bytes
# Graph and tables beside the weights, as measured on artefacts of nano, micro and small.
OVERHEAD_BYTES = 40_000


def multiply_adds(spec: StudentSpec, labels: int, tokens: int) -> int:
    """Multiply-adds of one inference over `tokens` tokens."""
    hidden = spec.hidden
    block = 12 * hidden**2  # query, key, value, output, and the feed-forward block's eight
    body = (spec.layers - 1) * (tokens * block + 2 * tokens**2 * hidden)
    # For one row: query, output, feed-forward; for all of them: key and value.
    last = 10 * hidden**2 + tokens * 2 * hidden**2 + 2 * tokens * hidden
    widen = tokens * hidden * spec.columns if spec.columns < hidden else 0
    return widen + body + last + hidden**2 + hidden * labels


def int8_bytes(spec: StudentSpec, pieces: int, labels: int) -> int:
    """Bytes of the int8 artefact: a byte a weight, a scale a row, biases and norms in float."""
    norms = 2 * spec.hidden * (1 + 2 * spec.layers)
    positions = spec.max_length * spec.hidden
    matrices = sum(
        rows * (columns + SCALE + BIAS * has_bias)
        for rows, columns, has_bias in _matrices(spec, pieces, labels)
    )
    return matrices + FLOAT * (norms + positions) + OVERHEAD_BYTES


def _matrices(spec: StudentSpec, pieces: int, labels: int) -> Iterator[tuple[int, int, bool]]:
    """Rows and columns of every quantized matrix, and whether it has a bias."""
    hidden = spec.hidden
    yield pieces, spec.columns, False
    if spec.columns < hidden:
        yield hidden, spec.columns, False
    for _ in range(spec.layers):
        yield from [(hidden, hidden, True)] * 4
        yield 4 * hidden, hidden, True
        yield hidden, 4 * hidden, True
    yield hidden, hidden, True  # pooler
    yield labels, hidden, True
