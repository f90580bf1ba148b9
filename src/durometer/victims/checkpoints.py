"""Other people's checkpoint folders: find weights, configuration and tokenizer; nothing is executed.

Weights are safetensors, one file or shards; a legacy ``pytorch_model.bin`` loads with ``weights_only=True``
or not at all. ``trust_remote_code`` is never set.
"""

from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor

from durometer.errors import InputError

# Parts of other models' files that a classifier does not use.
UNUSED = re.compile(
    r"(^|\.)(pooler|lm_head|cls)\.|position_ids$|token_type_ids$|(^|\.)attn\.(masked_)?bias$|final_logits_bias$"
)
# Word embeddings of BERT's kin, GPT-2, and BART's and T5's kin (whose sides share one table).
WORDS = ("embeddings.word_embeddings.weight", "wte.weight", "shared.weight")
TIED = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")


def locate(path: str, *, allow_download: bool = False) -> Path:
    """Return the local folder of a checkpoint: a path, a cached hub id, or (when allowed) a download.

    Raises:
        InputError: there is no such folder, and it is not in the cache or cannot be downloaded.

    """
    folder = Path(path).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_absolute() or path.startswith(".") or path.count("/") != 1:
        raise InputError("no such folder", where=path)
    if not allow_download:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # counts only before the library is imported
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.safetensors", "*.txt", "pytorch_model.bin"]
    try:
        return Path(snapshot_download(path, local_files_only=not allow_download, allow_patterns=patterns))
    except Exception as error:  # network, cache and permission errors have no common base
        what = "cannot be downloaded" if allow_download else "not a folder, and not in the hub's local cache"
        reason = str(error).partition("\n")[0]
        hint = reason if allow_download else "Pass --allow-download to fetch it from the hub."
        raise InputError(what, where=path, hint=hint) from error


def read_config(folder: Path) -> dict[str, Any]:
    """Return ``config.json``."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError("no config.json: not a transformers checkpoint", where=str(folder)) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"malformed ({error})", where=str(path)) from error
    if not isinstance(config, dict) or "model_type" not in config:
        raise InputError("no field 'model_type'", where=str(path))
    return config


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """Return every tensor of a checkpoint as fp32."""
    files = sorted(folder.glob("model*.safetensors"))
    legacy = folder / "pytorch_model.bin"
    if not files and not legacy.is_file():
        raise InputError("no model.safetensors and no pytorch_model.bin", where=str(folder))
    try:
        if files:
            tensors = {name: t for file in files for name, t in load_file(file).items()}
        else:
            tensors = torch.load(legacy, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise InputError(f"weights cannot be read safely ({error})", where=str(folder)) from error
    return {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}


def read_head(folder: Path, file: str) -> dict[str, Tensor]:
    """Return the tensors of a head's own file."""
    try:
        return {name: tensor.float() for name, tensor in load_file(folder / file).items()}
    except FileNotFoundError as error:
        raise InputError("no such file (the card's pair_head)", where=str(folder / file)) from error
    except SafetensorError as error:
        raise InputError(f"not a safetensors file ({error})", where=str(folder / file)) from error


def split_tensors(
    tensors: Mapping[str, Tensor], head_prefix: str, *, where: str
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return (encoder, head): the encoder's names without their common prefix, the head's without theirs.

    Raises:
        InputError: no encoder is recognised, or there are weights that belong to neither.

    """
    prefix = encoder_prefix(tensors, where)
    encoder: dict[str, Tensor] = {}
    head: dict[str, Tensor] = {}
    unknown: list[str] = []
    for name, tensor in tensors.items():
        inner = name.removeprefix(prefix) if prefix and name.startswith(prefix) else name
        if name.startswith(head_prefix):
            head[name.removeprefix(head_prefix)] = tensor
        elif UNUSED.search(inner):
            continue
        elif name.startswith(prefix):
            encoder[inner] = tensor
        else:
            unknown.append(name)
    if unknown:
        raise InputError(
            f"weights that belong neither to the encoder nor to the head: {', '.join(sorted(unknown)[:4])}",
            where=where,
            hint="Set head_prefix in the victim card to what the head's names begin with.",
        )
    return encoder, head


def encoder_prefix(tensors: Mapping[str, Tensor], where: str) -> str:
    """Return what the names of the encoder's weights begin with (``roberta.``, ``transformer.``, "")."""
    found = {name.removesuffix(word) for name in tensors for word in WORDS if name.endswith(word)}
    if not found:
        found = {name.removesuffix(word) for name in tensors for word in TIED if name.endswith(word)}
    if len(found) != 1:
        raise InputError(f"expected one encoder, found {len(found)} tables of word embeddings", where=where)
    return found.pop()


def find_tokenizer(location: Path) -> Tokenizer:
    """Return the tokenizer of a folder (``tokenizer.json``, or ``vocab.json`` and ``merges.txt``) or file."""
    if location.is_file():
        folder, file = location.parent, location
    else:
        folder, file = location, location / "tokenizer.json"
    try:
        if file.is_file():
            return Tokenizer.from_file(str(file))
        vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
        if not (vocabulary.is_file() and merges.is_file()):
            raise InputError("no tokenizer.json, and no vocab.json with merges.txt", where=str(folder))
        tokenizer = Tokenizer(models.BPE.from_file(str(vocabulary), str(merges)))
    except InputError:
        raise
    except Exception as error:  # the library raises a bare Exception
        raise InputError(f"not a tokenizer ({error})", where=str(file)) from error
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
