"""Randomly drawn checkpoints of the published study's three classes, in transformers' layout; own data."""

import json
from pathlib import Path

WORDS = ("count", "index", "total", "value", "limit", "start", "width", "buffer")


def write_models(folder):
    """Write ``codebert-base``, ``codebert-base-mlm``, ``codegpt-small-java-adapted`` and ``plbart-base``."""
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM

    from durometer.victims.tokenizer import train_tokenizer

    torch.manual_seed(0)
    tokenizer = train_tokenizer([row["code"] for row in functions(40)], vocabulary=400)
    ids = {
        "vocab_size": tokenizer.get_vocab_size(),
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
    }
    roberta = ids | {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 50,
        "type_vocab_size": 1,
    }
    plbart = {"d_model": 16, "max_position_embeddings": 48, "decoder_start_token_id": 2}
    for side in ("encoder", "decoder"):
        plbart |= {f"{side}_layers": 2, f"{side}_attention_heads": 2, f"{side}_ffn_dim": 16}
    gpt2 = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_inner": 16, "n_positions": 48}
    for name, kind, values, factory in (
        ("codebert-base", "roberta", roberta, AutoModel),
        ("codebert-base-mlm", "roberta", roberta, AutoModelForMaskedLM),
        ("codegpt-small-java-adapted", "gpt2", ids | gpt2, AutoModel),
        ("plbart-base", "plbart", ids | plbart, AutoModel),
    ):
        model = factory.from_config(AutoConfig.for_model(kind, **values))
        model.save_pretrained(folder / name)
        tokenizer.save(str(folder / name / "tokenizer.json"))


def functions(count):
    """Return rows that serve every reader: Java methods, half of them with a flaw that a word gives away."""
    rows = []
    for i in range(count):
        a, b, c = (WORDS[(i * step + step) % len(WORDS)] for step in (1, 3, 5))
        b, c = b + "2", c + "3"
        check = "" if i % 2 else f"    if ({a} > {i}) {{ return {a}; }}\n"
        code = f"public int {a}Of{i}(int {a}, int {b}) {{\n{check}    int {c} = {a} + {b} * {i};\n"
        code += f"    return {c} - {a};\n}}\n"
        rows.append({"idx": i, "code": code, "func": code, "label": i % 2, "target": i % 2})
        rows[-1] |= {"docstring": f"Return the {a} of {b}.", "comment": f"Return the {a} of {b}."}
    return rows


def write_data(folder):
    """Write all four data sets of the published study, tiny."""
    splits = {"train": range(24), "valid": range(24, 32), "test": range(32, 40)}
    rows = functions(40)
    for name in ("devign", "codesearchnet-java", "owasp", "bigclonebench"):
        (folder / name).mkdir(parents=True)
    for split, chosen in splits.items():
        text = "".join(json.dumps(rows[i]) + "\n" for i in chosen)
        for name in ("devign", "codesearchnet-java", "owasp"):
            (folder / name / f"{split}.jsonl").write_text(text)
        pairs = [f"{i}\t{(i + 2) % 40 if i % 2 else (i + 1) % 40}\t{i % 2}\n" for i in chosen]
        (folder / "bigclonebench" / f"{split}.txt").write_text("".join(pairs))
    (folder / "bigclonebench" / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def miniature(folder, preset):
    """Write the preset beside tiny models and data, with tiny numbers; return the study file."""
    import yaml

    write_models(Path(folder) / "models")
    write_data(Path(folder) / "data")
    study = yaml.safe_load(preset.text)
    for task in study["tasks"]:
        task["training"] = {"epochs": 0.5, "batch": 8, "learning_rate": 1e-3}
    study["variants"][2]["recipe"][0] |= {"epochs": 0.5, "batch": 8}
    study["attacks"] = [
        {"kind": "alert", "candidates_per_identifier": 3, "genetic": False},
        {"kind": "beam", "candidates_per_identifier": 3},
        {"kind": "mhm", "iterations": 2},
        {"kind": "wir_random", "candidates_per_identifier": 3},
    ]
    study["exclude"] = [{"task": "vulnerability OWASP", "victim": ["CodeGPT", "PLBART"]}]
    study["limits"] = {"samples": 1, "max_queries": 12}
    path = Path(folder) / "study.yaml"
    path.write_text(yaml.safe_dump(study, sort_keys=False))
    return path
