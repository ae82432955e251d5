"""The student cut out of the teacher: which of its weights the student starts from."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..base.config import StudentSpec
from ..base.errors import ModelError
from ..models.batches import batch_tensors
from ..models.prune import prune
from ..models.stock import BertConfig, BertForSequenceClassification, BertLayer
from ..models.student import FactorizedEmbedding, Student
from ..models.teacher import Teacher
from ..models.vocabulary import PAD, Vocabulary

POOLER_GAIN = 0.5  # keeps the pooler's tanh near its linear part at the start
SAMPLE = 256  # training texts on which hidden dimensions are ranked


class MappedEmbedding(nn.Module):
    """The teacher's word table, frozen, seen through a linear map: so a student's table is trained.

    What the map learns from words of the training texts holds for all others, too. A table of its
    own would move the rows of seen words only, and the rest would no longer fit the layers.
    """

    table: Tensor

    def __init__(self, table: Tensor, maps: Sequence[Tensor]) -> None:
        """From the teacher's `table` (pieces, its width) and one or two matrices (out, in)."""
        super().__init__()
        self.register_buffer("table", table, persistent=False)
        self.maps = nn.ParameterList(nn.Parameter(matrix.clone()) for matrix in maps)

    @property
    def weight(self) -> Tensor:
        """The word table (pieces, hidden) that this stands for."""
        return self._mapped(self.table)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Word embeddings (batch, sequence, hidden)."""
        return self._mapped(self.table[input_ids])

    def folded(self) -> nn.Module:
        """The same embedding with tables of its own: one, or two factors."""
        first = (self.table @ self.maps[0].T).detach()
        if len(self.maps) > 1:
            return FactorizedEmbedding(first, self.maps[1].detach())
        return nn.Embedding(first.shape[0], first.shape[1], _weight=first)

    def _mapped(self, rows: Tensor) -> Tensor:
        for matrix in self.maps:
            rows = nn.functional.linear(rows, matrix)
        return rows


def fold(student: Student) -> None:
    """Give `student`, once it is trained, a word table of its own in place of the mapped one."""
    embeddings = student.model.bert.embeddings
    if isinstance(embeddings.word_embeddings, MappedEmbedding):
        embeddings.word_embeddings = embeddings.word_embeddings.folded()


def cut_student(teacher: Teacher, texts: Sequence[str], spec: StudentSpec) -> Student:
    """Cut the student `spec` describes out of `teacher`.

    Kept are the hidden dimensions of highest variance on `texts`, the strongest heads and
    feed-forward units of evenly spread layers, and the head. It beat random and SVD-compressed
    starts by more than any loss did. Its word table is a `MappedEmbedding`, to be trained and then
    folded.

    Raises:
        ModelError: the teacher is too small for `spec`.
    """
    source = teacher.encoder.config
    head_size = source.hidden_size // source.num_attention_heads
    _check_fits(spec, source, head_size)
    vocabulary = prune(teacher.vocabulary, texts, spec.vocabulary)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=spec.hidden,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.hidden // head_size,
        intermediate_size=min(4 * spec.hidden, source.intermediate_size),
        hidden_act=spec.hidden_act,
        max_position_embeddings=spec.max_length,
        type_vocab_size=source.type_vocab_size,
        layer_norm_eps=source.layer_norm_eps,
        # Too small to memorise what it is taught: dropout only takes from it.
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=vocabulary.pieces.index(PAD),
        id2label=dict(enumerate(teacher.labels)),
        label2id={label: i for i, label in enumerate(teacher.labels)},
    )
    model = BertForSequenceClassification(config).eval()
    with torch.no_grad():
        layers = source_layers(source.num_hidden_layers, spec)
        dims = _dimensions(teacher, texts, spec.hidden)
        _copy_weights(teacher, model, vocabulary, layers, dims, spec.columns)
    return Student(model, vocabulary, teacher.labels)


def _check_fits(spec: StudentSpec, source: BertConfig, head_size: int) -> None:
    last = max(source_layers(source.num_hidden_layers, spec))
    if last >= source.num_hidden_layers:
        raise ModelError(
            f"student.teacher_layers names layer {last}, and the teacher's are 0 to "
            f"{source.num_hidden_layers - 1}. Name layers among these."
        )
    if spec.hidden > source.hidden_size:
        raise ModelError(
            f"student.hidden is {spec.hidden}, and the teacher has {source.hidden_size}. "
            f"Choose at most {source.hidden_size}, or a larger teacher."
        )
    if spec.hidden % head_size:
        raise ModelError(
            f"student.hidden is {spec.hidden}, not a multiple of the teacher's head size "
            f"{head_size}. Choose {spec.hidden // head_size * head_size or head_size}."
        )


def _dimensions(teacher: Teacher, texts: Sequence[str], count: int) -> Tensor:
    """Indices of the `count` hidden dimensions that vary most over `texts`, ascending."""
    spread = max(1, len(texts) // SAMPLE)
    inputs = batch_tensors(teacher.vocabulary, texts[::spread][:SAMPLE])
    hidden = teacher.encoder(*inputs).last_hidden_state
    return _top(hidden[inputs[1].bool()].var(0), count)


def _top(strength: Tensor, count: int) -> Tensor:
    return strength.topk(count).indices.sort().values


def _copy_weights(
    teacher: Teacher,
    model: BertForSequenceClassification,
    vocabulary: Vocabulary,
    sources: Sequence[int],
    dims: Tensor,
    columns: int,
) -> None:
    old, new = teacher.encoder, model.bert
    rows = {piece: i for i, piece in enumerate(teacher.vocabulary.pieces)}
    kept = torch.tensor([rows[piece] for piece in vocabulary.pieces])
    words = old.embeddings.word_embeddings.weight[kept].clone()
    new.embeddings.word_embeddings = _mapped_embedding(words, dims, columns)
    for name, index in (
        ("position_embeddings", torch.arange(model.config.max_position_embeddings)),
        ("token_type_embeddings", torch.arange(model.config.type_vocab_size)),
    ):
        table = getattr(old.embeddings, name).weight
        getattr(new.embeddings, name).weight.copy_(table[index][:, dims])
    _copy_norm(old.embeddings.LayerNorm, new.embeddings.LayerNorm, dims)
    for layer, target in zip(sources, new.encoder.layer, strict=True):
        _copy_layer(old.encoder.layer[layer], target, dims)
    gain = 1.0
    if old.pooler is not None:
        _copy_linear(old.pooler.dense, new.pooler.dense, dims, dims)
    else:
        # The pooler starts as the (scaled) identity, so that the teacher's head fits behind it.
        gain = POOLER_GAIN
        new.pooler.dense.weight.copy_(gain * torch.eye(len(dims)))
        new.pooler.dense.bias.zero_()
    model.classifier.weight.copy_(teacher.head.weight[:, dims] / gain)
    model.classifier.bias.copy_(teacher.head.bias)


def source_layers(count: int, spec: StudentSpec) -> tuple[int, ...]:
    """Which of the teacher's `count` layers the student's are cut from.

    Spread evenly, the first and the last among them: (0, 5) of 6, (0, 2, 5) of 6; a student
    deeper than its teacher takes some of them twice.
    """
    if spec.teacher_layers is not None:
        return spec.teacher_layers
    last = count - 1
    if spec.layers == 1:
        return (last,)
    return tuple(i * last // (spec.layers - 1) for i in range(spec.layers))


def _mapped_embedding(table: Tensor, dims: Tensor, columns: int) -> MappedEmbedding:
    """`table` with a map that picks the columns `dims` or, factorised, their best approximation."""
    pick = torch.eye(table.shape[1])[dims]  # (hidden, the teacher's width)
    if columns == len(dims):
        return MappedEmbedding(table, (pick,))
    main = torch.linalg.svd(table[:, dims], full_matrices=False).Vh[:columns]
    return MappedEmbedding(table, (main @ pick, main.T))


def _copy_norm(old: nn.LayerNorm, new: nn.LayerNorm, dims: Tensor) -> None:
    new.weight.copy_(old.weight[dims])
    new.bias.copy_(old.bias[dims])


def _copy_linear(old: nn.Linear, new: nn.Linear, rows: Tensor, columns: Tensor) -> None:
    new.weight.copy_(old.weight[rows][:, columns])
    new.bias.copy_(old.bias[rows])


def _copy_layer(old: BertLayer, new: BertLayer, dims: Tensor) -> None:
    attention, output = old.attention.self, old.attention.output.dense
    size, heads = attention.attention_head_size, new.attention.self.num_attention_heads
    strength = attention.value.weight.norm(dim=1) * output.weight.norm(dim=0)
    chosen = _top(strength.view(-1, size).norm(dim=1), heads)
    units = (chosen[:, None] * size + torch.arange(size)).flatten()
    for name in ("query", "key", "value"):
        _copy_linear(getattr(attention, name), getattr(new.attention.self, name), units, dims)
    _copy_linear(output, new.attention.output.dense, dims, units)
    _copy_norm(old.attention.output.LayerNorm, new.attention.output.LayerNorm, dims)
    expand, contract = old.intermediate.dense, old.output.dense
    strength = expand.weight.norm(dim=1) * contract.weight.norm(dim=0)
    inner = _top(strength, new.intermediate.dense.out_features)
    _copy_linear(expand, new.intermediate.dense, inner, dims)
    _copy_linear(contract, new.output.dense, dims, inner)
    _copy_norm(old.output.LayerNorm, new.output.LayerNorm, dims)
