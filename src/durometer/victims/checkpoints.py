"""Other people's checkpoint folders: find weights, configuration and tokenizer; nothing is executed.

Weights are safetensors, one file or shards. A legacy ``.bin`` is a pickle: it loads with
``weights_only=True``, which admits tensors and containers alone (many a model of code is published in no
other form), or not at all. ``trust_remote_code`` is never set.
"""

from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor

from durometer.errors import InputError
from durometer.victims.anatomy import HEAD, unwrapped
from durometer.victims.saved import read_tokenizer

UNLIMITED = 1_000_000
BOOKKEEPING = frozenset({"architectures", "transformers_version", "dtype", "torch_dtype", "_name_or_path"})
# Parts of other models' files that nobody here uses, or that a checkpoint need not have.
UNUSED = re.compile(
    r"(^|\.)(pooler|lm_head|cls)\.|position_ids$|token_type_ids$|(^|\.)attn\.(masked_)?bias$|final_logits_bias$"
)
# Word embeddings of BERT's kin, GPT-2, and BART's and T5's kin (whose sides share one table).
WORDS = ("embeddings.word_embeddings.weight", "wte.weight", "shared.weight")
CONVERT = (
    "Convert it where you trust it, into MODEL.safetensors beside it: import torch, safetensors.torch as s; "
    "m = torch.load('MODEL.bin', map_location='cpu', weights_only=False); "
    "m = getattr(m, 'state_dict', lambda: m)(); "
    "s.save_file({k: v.clone() for k, v in m.items()}, 'MODEL.safetensors')"
)
TIED = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")


def locate(path: str, *, allow_download: bool = False) -> Path:
    """Return the local folder of a checkpoint: a path, a cached hub id, or (when allowed) a download.

    A hub id may end in ``@`` and a revision: ``microsoft/codebert-base@3b0952f``.

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
    name, _, revision = path.partition("@")
    try:
        return Path(
            snapshot_download(
                name,
                revision=revision or None,
                local_files_only=not allow_download,
                allow_patterns=patterns,
            )
        )
    except Exception as error:  # network, cache and permission errors have no common base
        what = "cannot be downloaded" if allow_download else "not a folder, and not in the hub's local cache"
        reason = str(error).partition("\n")[0]
        hint = reason if allow_download else "Pass --allow-download to fetch it from the hub."
        raise InputError(what, where=path, hint=hint) from error


def read_config(folder: Path) -> dict[str, Any]:
    """Return ``config.json``.

    Raises:
        InputError: it is missing or malformed, or does not say which kind of model it is.

    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            "no config.json: not a transformers checkpoint",
            where=str(folder),
            hint="Weights alone load through a victim card with config: {num_attention_heads: N}.",
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"malformed ({error})", where=str(path)) from error
    if not isinstance(config, dict) or "model_type" not in config:
        raise InputError("no field 'model_type'", where=str(path))
    return config


def window(config: Mapping[str, Any]) -> int:
    """Return how many ids the positions hold; RoBERTa's begin after the padding id, T5's are relative."""
    if config.get("model_type") == "t5":
        return UNLIMITED
    positions = int(config.get("max_position_embeddings") or config.get("n_positions") or 512)
    return positions - 2 if config.get("model_type") == "roberta" else positions


def read_tensors(folder: Path, file: str | None = None, *, other: str | None = None) -> dict[str, Tensor]:
    """Return every tensor of a checkpoint as fp32, under names without DataParallel's ``module.``.

    ``file`` names the weights, where the folder holds several or under an unusual name; ``other`` is a file
    that holds something else.

    Raises:
        InputError: no weights, several candidates, or a file that cannot be read without running code.

    """
    found = [_named(folder, file, "weights")] if file else weight_files(folder, other)
    tensors: dict[str, Any] = {}
    for path in found:
        tensors |= _safe(path) if path.suffix == ".safetensors" else _legacy(path)
    return unwrapped({n: t.float() if t.is_floating_point() else t for n, t in tensors.items()})


def weight_files(folder: Path, other: str | None) -> list[Path]:
    """Return the files of a folder's weights: the library's names first, else the only file beside ``other``.

    Raises:
        InputError: there are none, or several that could be meant.

    """
    for pattern in ("model*.safetensors", "pytorch_model*.bin"):
        if files := sorted(folder.glob(pattern)):
            return files
    for suffix in ("safetensors", "bin"):
        files = [path for path in sorted(folder.glob(f"*.{suffix}")) if path.name != other]
        if len(files) > 1:
            raise InputError(
                f"several weights: {', '.join(path.name for path in files)}",
                where=str(folder),
                hint="Name one in the victim card (weights).",
            )
        if files:
            return files
    raise InputError("no model.safetensors and no pytorch_model.bin", where=str(folder))


def _named(folder: Path, file: str, field: str) -> Path:
    """Return the file of a folder that a ``field`` of the card names."""
    path = folder / file
    if not path.is_file():
        raise InputError(f"no such file (the card's {field})", where=str(path))
    return path


def _safe(path: Path) -> dict[str, Tensor]:
    try:
        return dict(load_file(path))
    except SafetensorError as error:
        raise InputError(f"weights cannot be read safely ({error})", where=str(path)) from error


def _legacy(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"a pickle that cannot be read safely, without running its code ({reason})",
            where=str(path),
            hint=CONVERT,
        ) from error
    for key in ("state_dict", "model_state_dict", "model"):  # beside an optimiser's
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise InputError("not a dictionary of tensors", where=str(path), hint=CONVERT)
    return content


def read_head(folder: Path, file: str, prefix: str | None) -> dict[str, Tensor]:
    """Return the tensors of a head's own file, under names without ``prefix`` (None: what looks like one).

    Raises:
        InputError: there is no such file, or it is no safetensors.

    """
    tensors = unwrapped(_safe(_named(folder, file, "pair_head")))
    if prefix is None:
        prefix = next((found[1] for name in tensors if (found := HEAD.match(name))), "")
    return {name.removeprefix(prefix): tensor.float() for name, tensor in tensors.items()}


def split_tensors(
    tensors: Mapping[str, Tensor], head_prefix: str, *, where: str, ignored: Sequence[str] = ()
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return (encoder, head): the encoder's names without their common prefix, the head's without theirs.

    Names that begin with one of ``ignored`` are left out.

    Raises:
        InputError: no encoder is recognised, or there are weights that belong to neither.

    """
    prefix = encoder_prefix(tensors, where)
    encoder: dict[str, Tensor] = {}
    head: dict[str, Tensor] = {}
    unknown: list[str] = []
    for name, tensor in tensors.items():
        inner = name.removeprefix(prefix) if prefix and name.startswith(prefix) else name
        if any(name.startswith(start) for start in ignored):
            continue
        whole = not head_prefix and name.startswith(prefix)  # a head without a prefix beside an encoder
        if name.startswith(head_prefix) and not whole:
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
            hint="Set head_prefix in the victim card to what the head's names begin with, "
            "or ignore to what those of no part of the classifier do.",
        )
    return encoder, head


def word_table(tensors: Mapping[str, Tensor], prefix: str) -> Tensor:
    """Return the embeddings of words, [vocabulary, hidden]."""
    return next(tensors[prefix + word] for word in (*WORDS, *TIED) if prefix + word in tensors)


def encoder_prefix(tensors: Mapping[str, Tensor], where: str) -> str:
    """Return what the names of the encoder's weights begin with (``roberta.``, ``transformer.``, "").

    Raises:
        InputError: there is no table of word embeddings, or several.

    """
    found = {name.removesuffix(word) for name in tensors for word in WORDS if name.endswith(word)}
    if not found:
        found = {name.removesuffix(word) for name in tensors for word in TIED if name.endswith(word)}
    if len(found) != 1:
        raise InputError(f"expected one encoder, found {len(found)} tables of word embeddings", where=where)
    return found.pop()


def find_tokenizer(location: Path) -> Tokenizer:
    """Return the tokenizer of a folder (``tokenizer.json``, or ``vocab.json`` and ``merges.txt``) or file.

    Raises:
        InputError: there is none, or it cannot be read.

    """
    file = location if location.is_file() else location / "tokenizer.json"
    if file.is_file():
        return read_tokenizer(file)
    vocabulary, merges = location / "vocab.json", location / "merges.txt"
    if not (vocabulary.is_file() and merges.is_file()):
        sentences = any(location.glob("*.model"))  # PLBART and T5 come with SentencePiece's file alone
        raise InputError(
            "no tokenizer.json, and no vocab.json with merges.txt",
            where=str(location),
            hint="Write one: transformers.AutoTokenizer.from_pretrained(FOLDER)"
            ".backend_tokenizer.save('FOLDER/tokenizer.json')."
            if sentences
            else "Name the tokenizer's file or folder in the victim card (tokenizer).",
        )
    try:
        tokenizer = Tokenizer(models.BPE.from_file(str(vocabulary), str(merges)))
    except Exception as error:  # the library raises a bare Exception
        raise InputError(f"not a tokenizer ({error})", where=str(vocabulary)) from error
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def fitting(tokenizer: Tokenizer, config: Mapping[str, Any], where: str) -> Tokenizer:
    """Return the tokenizer.

    Raises:
        InputError: it gives ids that the model has no embedding for.

    """
    rows, largest = (
        int(config["vocab_size"]),
        max(tokenizer.get_vocab(with_added_tokens=False).values(), default=0),
    )
    if largest >= rows:
        raise InputError(
            f"the tokenizer gives ids up to {largest}, and the model knows {rows}",
            where=where,
            hint="Is it another model's? Name the right file in the victim card (tokenizer).",
        )
    return tokenizer
