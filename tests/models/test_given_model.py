import numpy as np
import pytest
from transformers import BertModel, BertTokenizerFast

from pocketbert.base.config import TeacherConfig
from pocketbert.base.errors import ModelError
from pocketbert.learn.fit import fit_head
from pocketbert.models.given_model import keep_model


def test_model_and_tokenizer_are_the_teacher_of_their_folder(
    toy_bert, toy_corpus, toy_teacher, tmp_path
):
    model = BertModel.from_pretrained(toy_bert, add_pooling_layer=False)
    tokenizer = BertTokenizerFast(tokenizer_object=toy_teacher.vocabulary.tokenizer)
    folder = keep_model((model, tokenizer), tmp_path)
    given = fit_head(TeacherConfig(source=str(folder)), toy_corpus, 32)
    assert given.vocabulary.pieces == toy_teacher.vocabulary.pieces
    texts = toy_corpus.test.texts
    np.testing.assert_allclose(given.logits(texts), toy_teacher.logits(texts), atol=1e-4)


@pytest.mark.parametrize("pair", [(object(), object()), object(), (1, 2, 3)])
def test_other_objects_are_refused(tmp_path, pair):
    with pytest.raises(ModelError, match="a BERT of transformers with its tokenizer"):
        keep_model(pair, tmp_path)
