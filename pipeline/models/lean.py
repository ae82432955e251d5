"""The lean inference module over a student's weights: what every target lowers.

It computes what Hugging Face's classifiers over BERT, DistilBERT and ELECTRA compute, for one text,
in the form the phone runtimes handle best. It knows nothing of training, formats or tokenizers.
"""

import copy

import torch
from torch import Tensor, nn

from ..base.errors import PipelineError
from ..base.recipes import EMBEDDING, INT4_GROUP, Recipe, Storage
from .parts import LayerParts, parts_of
from .stock import PreTrainedModel
from .student import FactorizedEmbedding

MASKED = -1e4  # finite in fp16: -inf or finfo.min turns every Core ML logit into NaN


class LeanAttention(nn.Module):
    """Self-attention over 2-D activations, its scale folded into the query projection.

    `bmm` rather than 4-D `matmul`: the latter leaves `expand_copy` outside XNNPACK.
    """

    def __init__(self, layer: LayerParts, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = layer.query, layer.key, layer.value
        self.output, self.norm = layer.output, layer.attention_norm
        scale = (self.query.out_features // heads) ** -0.5
        with torch.no_grad():
            self.query.weight.mul_(scale)
            self.query.bias.mul_(scale)

    def _split(self, rows: Tensor) -> Tensor:
        # (rows, hidden) -> (heads, rows, hidden / heads)
        return rows.view(rows.shape[0], self.heads, -1).transpose(0, 1)

    def forward(self, rows: Tensor, hidden: Tensor, bias: Tensor) -> Tensor:
        """Attend from `rows` (rows, hidden) to `hidden` (sequence, hidden), masked by `bias`."""
        query, key, value = (
            self._split(self.query(rows)),
            self._split(self.key(hidden)),
            self._split(self.value(hidden)),
        )
        weights = torch.softmax(torch.bmm(query, key.transpose(1, 2)) + bias, dim=-1)
        context = torch.bmm(weights, value).transpose(0, 1).reshape(rows.shape[0], -1)
        attended: Tensor = self.norm(self.output(context) + rows)
        return attended


class LeanFeedForward(nn.Module):
    """The feed-forward block with its residual, post-normalised as in BERT."""

    def __init__(self, layer: LayerParts) -> None:
        super().__init__()
        self.expand, self.contract, self.norm = layer.expand, layer.contract, layer.norm

    def forward(self, rows: Tensor) -> Tensor:
        """Map `rows` (rows, hidden), each by itself."""
        out: Tensor = self.norm(self.contract(nn.functional.gelu(self.expand(rows))) + rows)
        return out


class LeanLayer(nn.Module):
    """One encoder layer: attention, then the feed-forward block."""

    def __init__(self, layer: LayerParts, heads: int) -> None:
        super().__init__()
        self.attention = LeanAttention(layer, heads)
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

    def __init__(self, model: PreTrainedModel, max_length: int) -> None:
        super().__init__()
        # A private copy: the attention scale is folded into the weights in place.
        own = parts_of(copy.deepcopy(model))
        # A plain table: ExecuTorch fuses an int8 embedding only where there is no padding_idx.
        factors = own.words if isinstance(own.words, FactorizedEmbedding) else None
        table: Tensor = (factors.table if factors else own.words).weight.detach()
        self.embedding = nn.Embedding(table.shape[0], table.shape[1], _weight=table)
        self.widen = factors.widen if factors else nn.Identity()
        self.register_buffer("positions", own.positions[:max_length].detach().clone())
        self.norm = own.norm
        self.project = own.project
        self.layers = nn.ModuleList(LeanLayer(layer, own.heads) for layer in own.layers)
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


class MatrixNorm(nn.Module):
    """LayerNorm whose means are matrix products: the one form that XNNPACK takes whole."""

    mean: Tensor
    eps: Tensor

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        width = norm.weight.shape[0]
        self.register_buffer("mean", torch.full((width, 1), 1 / width))
        # As the product's bias it costs no operator of its own.
        self.register_buffer("eps", torch.full((1,), norm.eps))
        self.weight, self.bias = norm.weight, norm.bias

    def forward(self, rows: Tensor) -> Tensor:
        """Normalise each of `rows` (rows, hidden)."""
        centred = rows - torch.mm(rows, self.mean)
        scale = torch.rsqrt(torch.addmm(self.eps, centred * centred, self.mean))
        normed: Tensor = centred * scale * self.weight + self.bias
        return normed


def with_matrix_norms(module: nn.Module) -> nn.Module:
    """`module`, its LayerNorms replaced in place; the function it computes stays."""
    for name, child in module.named_children():
        if isinstance(child, nn.LayerNorm):
            setattr(module, name, MatrixNorm(child))
        else:
            with_matrix_norms(child)
    return module
