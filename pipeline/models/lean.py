"""The lean inference module over a student's weights: what every target lowers.

It computes what Hugging Face's classifiers over BERT, DistilBERT and ELECTRA compute, for one text,
in the form the phone runtimes handle best. It knows nothing of training, formats or tokenizers.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..base.errors import PipelineError
from ..base.recipes import EMBEDDING, INT4_GROUP, Recipe, Storage
from .parts import LayerParts, Parts, parts_of
from .stock import PreTrainedModel
from .student import FactorizedEmbedding

MASKED = -1e4  # finite in fp16: -inf or finfo.min turns every Core ML logit into NaN


class LeanAttention(nn.Module):
    """Self-attention over 2-D activations, its scale folded into the query projection.

    Projections of the same rows are one product, after which the runtimes have rounded these rows
    to int8 once and not three times. `bmm` rather than 4-D `matmul`: the latter leaves
    `expand_copy` outside XNNPACK.
    """

    def __init__(self, layer: LayerParts, heads: int, *, for_first_row: bool) -> None:
        super().__init__()
        self.heads = heads
        self.output, self.norm = layer.output, layer.attention_norm
        scale = (layer.query.out_features // heads) ** -0.5
        layer.query.weight.mul_(scale)
        layer.query.bias.mul_(scale)
        self.query = layer.query if for_first_row else None
        joint = (layer.key, layer.value) if for_first_row else (layer.query, layer.key, layer.value)
        self.joint = _side_by_side(joint)

    def _split(self, rows: Tensor) -> Tensor:
        # (rows, n * hidden) -> (n * heads, rows, hidden / heads)
        size = self.output.in_features // self.heads
        return rows.view(rows.shape[0], rows.shape[1] // size, size).transpose(0, 1)

    def forward(self, rows: Tensor, hidden: Tensor, bias: Tensor) -> Tensor:
        """Attend from `rows` (rows, hidden) to `hidden` (sequence, hidden), masked by `bias`.

        `rows` are the first one, or all of `hidden`.
        """
        every = self._split(self.joint(hidden))
        query = every[: self.heads] if self.query is None else self._split(self.query(rows))
        key, value = every[-2 * self.heads : -self.heads], every[-self.heads :]
        weights = torch.softmax(torch.bmm(query, key.transpose(1, 2)) + bias, dim=-1)
        context = torch.bmm(weights, value).transpose(0, 1).reshape(rows.shape[0], -1)
        attended: Tensor = self.norm(self.output(context) + rows)
        return attended


class LeanFeedForward(nn.Module):
    """The feed-forward block with its residual, post-normalised as in BERT."""

    def __init__(self, layer: LayerParts) -> None:
        super().__init__()
        self.expand, self.contract, self.norm = layer.expand, layer.contract, layer.norm
        self.activation = layer.activation

    def forward(self, rows: Tensor) -> Tensor:
        """Map `rows` (rows, hidden), each by itself."""
        out: Tensor = self.norm(self.contract(self.activation(self.expand(rows))) + rows)
        return out


class LeanLayer(nn.Module):
    """One encoder layer: attention, then the feed-forward block."""

    def __init__(self, layer: LayerParts, heads: int, *, for_first_row: bool) -> None:
        super().__init__()
        self.attention = LeanAttention(layer, heads, for_first_row=for_first_row)
        self.feed_forward = LeanFeedForward(layer)

    def forward(self, rows: Tensor, hidden: Tensor, bias: Tensor) -> Tensor:
        """Map `rows` (rows, hidden) to their next representation, attending to all of `hidden`."""
        out: Tensor = self.feed_forward(self.attention(rows, hidden, bias))
        return out


class LeanBert(nn.Module):
    """A classifier of one of `parts.ARCHITECTURES` for a batch of one.

    Position and token-type embeddings are summed ahead of time, and the last layer is computed
    for the [CLS] row only, because the classifier reads no other (bit-exact, 10-20 % less work).
    """

    positions: Tensor

    @torch.no_grad()
    def __init__(self, model: PreTrainedModel, max_length: int) -> None:
        super().__init__()
        # A private copy: the attention scale is folded into the weights in place.
        own = parts_of(copy.deepcopy(model))
        _fold_biases(own)
        # A plain table: ExecuTorch fuses an int8 embedding only where there is no padding_idx.
        factors = own.words if isinstance(own.words, FactorizedEmbedding) else None
        table: Tensor = (factors.table if factors else own.words).weight.detach()
        self.embedding = nn.Embedding(table.shape[0], table.shape[1], _weight=table)
        self.widen = factors.widen if factors else nn.Identity()
        self.register_buffer("positions", own.positions[:max_length].detach().clone())
        self.norm = own.norm
        self.project = own.project
        *body, last = own.layers
        self.layers = nn.ModuleList(LeanLayer(one, own.heads, for_first_row=False) for one in body)
        self.layers.append(LeanLayer(last, own.heads, for_first_row=True))
        self.pooler = own.dense
        self.activation = own.activation
        self.classifier = own.classifier
        self.eval().requires_grad_(False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits (1, labels) for `input_ids` and `attention_mask`, both (1, sequence) integers."""
        bias = ((1.0 - attention_mask.float()) * MASKED).unsqueeze(0)  # (1, 1, sequence)
        words = self.widen(self.embedding(input_ids[0]))
        hidden = self.project(self.norm(words + self.positions[: input_ids.shape[1]]))
        *body, last = self.layers
        for layer in body:
            hidden = layer(hidden, hidden, bias)
        first = last(hidden[:1], hidden, bias)  # (1, hidden): the [CLS] row
        logits: Tensor = self.classifier(self.activation(self.pooler(first)))
        return logits

    def storage_plan(self, recipe: Recipe) -> dict[str, Storage]:
        """How `recipe` stores every weight matrix, by the path of its module.

        Raises:
            PipelineError: int4 for a table whose rows do not divide into groups.
        """
        width = self.embedding.weight.shape[1]
        if recipe.storage(EMBEDDING) == "int4" and width % INT4_GROUP:
            raise PipelineError(
                f"recipe {recipe.name}: the embedding has {width} columns, and int4 needs a "
                f"multiple of {INT4_GROUP}. Choose another --recipe, or another width."
            )
        return {
            path: recipe.storage(path)
            for path, module in self.named_modules()
            if isinstance(module, (nn.Embedding, nn.Linear))
        }


def _side_by_side(linears: Sequence[nn.Linear]) -> nn.Linear:
    """One linear that computes all of `linears`, their outputs one after the other."""
    height = sum(linear.out_features for linear in linears)
    joint = nn.Linear(linears[0].in_features, height, device="meta")  # not to be initialised
    joint.weight = nn.Parameter(torch.cat([linear.weight for linear in linears]))
    joint.bias = nn.Parameter(torch.cat([linear.bias for linear in linears]))
    return joint


def _fold_biases(own: Parts) -> None:
    """Move the bias of every norm into what reads it, where it costs no operator of its own."""
    norm: nn.LayerNorm | None = own.norm
    if isinstance(own.project, nn.Linear):
        _fold_bias(own.norm, own.project)
        norm = None
    for layer in own.layers:
        if norm is not None:
            _fold_bias(norm, layer.query, layer.key, layer.value, residual=layer.output)
        _fold_bias(layer.attention_norm, layer.expand, residual=layer.contract)
        norm = layer.norm
    if norm is not None:
        _fold_bias(norm, own.dense)


def _fold_bias(norm: nn.LayerNorm, *readers: nn.Linear, residual: nn.Linear | None = None) -> None:
    """Move the bias of `norm` into `readers`, and into the linear that its output is added to."""
    for linear in readers:
        linear.bias.add_((linear.weight * norm.bias).sum(1))
    if residual is not None:
        residual.bias.add_(norm.bias)
    norm.register_parameter("bias", None)


class MatrixNorm(nn.Module):
    """LayerNorm without bias whose means are matrix products: the form that XNNPACK takes whole."""

    mean: Tensor
    eps: Tensor

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        width = norm.weight.shape[0]
        self.register_buffer("mean", torch.full((width, 1), 1 / width))
        # As the product's bias it costs no operator of its own.
        self.register_buffer("eps", torch.full((1,), norm.eps))
        self.weight = norm.weight

    def forward(self, rows: Tensor) -> Tensor:
        """Normalise each of `rows` (rows, hidden)."""
        centred = rows - torch.mm(rows, self.mean)
        scale = torch.rsqrt(torch.addmm(self.eps, centred * centred, self.mean))
        normed: Tensor = centred * scale * self.weight
        return normed


def with_matrix_norms(module: nn.Module) -> nn.Module:
    """`module`, its LayerNorms replaced in place; the function it computes stays."""
    for name, child in module.named_children():
        if isinstance(child, nn.LayerNorm):
            setattr(module, name, MatrixNorm(child))
        else:
            with_matrix_norms(child)
    return module
