"""The arrays that rooms hand each other."""

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]  # token ids or an attention mask, (batch, sequence)
Logits = NDArray[np.float32]  # (batch, labels)
