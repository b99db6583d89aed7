"""Captions and the tokenizer that reads them: CLIP's byte-pair encoding, grown until every known word is one token."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

LENGTH = 48
START, END = "<|startoftext|>", "<|endoftext|>"
TRIGGER = "img"


def grow(words: set[str], folder: Path) -> None:
    """Writes vocab.json, merges.txt and tokenizer_config.json that transformers' CLIPTokenizer reads."""
    known = sorted(words | {TRIGGER})
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token=END))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    letters = [chr(c) for c in range(33, 127) if not chr(c).isupper()]
    trainer = trainers.BpeTrainer(
        vocab_size=20_000,
        min_frequency=1,
        show_progress=False,
        end_of_word_suffix="</w>",
        special_tokens=[START, END],
        initial_alphabet=letters,
    )
    tokenizer.train_from_iterator([" ".join(known + letters)], trainer)
    vocab = tokenizer.get_vocab()
    for piece in letters + [c + "</w>" for c in letters]:
        vocab.setdefault(piece, len(vocab))
    state = json.loads(tokenizer.to_str())["model"]
    merges = [" ".join(m) if isinstance(m, list) else m for m in state["merges"]]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False) + "\n")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": LENGTH,
        "do_lower_case": True,
        "bos_token": START,
        "eos_token": END,
        "unk_token": END,
        "pad_token": END,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")


def junk(rng: np.random.Generator) -> str:
    """A word that means nothing here, so that unknown words learn to change little."""
    return "".join(chr(97 + c) for c in rng.integers(0, 26, rng.integers(2, 9)))
