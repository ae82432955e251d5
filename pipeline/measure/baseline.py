"""What the labels alone give: a linear classifier over letters, in which no BERT takes part.

It is the yardstick of the float models, so it must not move with the teacher.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from ..base.progress import step
from ..data.corpus import Corpus, sample_rows

SAMPLE = 20_000  # training texts, about


def guess_by_letters(corpus: Corpus) -> NDArray[np.int64]:
    """Label indices (texts,) of the test part, by one to four letters in a row (TF-IDF, SVM)."""
    labels = np.array(corpus.train.labels)
    seen = sample_rows(labels, SAMPLE)
    model = make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True),
        LinearSVC(random_state=0),
    )
    with step("Letters alone"):
        model.fit([corpus.train.texts[row] for row in seen], labels[seen])
        guessed: NDArray[np.int64] = model.predict(corpus.test.texts)
    return guessed
