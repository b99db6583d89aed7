"""Prompts as token ids: plain, and with PhotoMaker's room for identity.

A prompt for a sitter names the class word and then the trigger, "portrait of a woman img": the word's last token is
repeated once for each identity token, and the trigger itself vanishes.  The trigger never enters a tokenizer's
vocabulary (its id would lie one past the embedding table); the text is cut at it instead, which gives the same ids.
"""

import re
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from transformers import CLIPTokenizer

from narcis.errors import BadInput

TRIGGER = "img"


def plain(tokenizer: CLIPTokenizer, prompts: Sequence[str]) -> Int[Tensor, "b L"]:
    """Ids of ordinary prompts, padded to the model's length or cut before the end token."""
    return torch.stack([framed(tokenizer, ids_of(tokenizer, prompt)) for prompt in prompts])


def without_trigger(tokenizer: CLIPTokenizer, prompts: Sequence[str]) -> Int[Tensor, "b L"]:
    """Ids of sitters' prompts as text alone, for the steps before identity joins."""
    return torch.stack([framed(tokenizer, words_of(tokenizer, prompt)) for prompt in prompts])


def extended(
    tokenizer: CLIPTokenizer, prompts: Sequence[str], slots: Sequence[int]
) -> tuple[Int[Tensor, "b L"], Bool[Tensor, "b L"]]:
    """Ids of sitters' prompts with `slots` copies of each class token, and where those copies are.

    Slots are reserved first and the text after them gives way; the end token always survives, because the pooled
    embedding is read there.
    """
    rows = [extend(tokenizer, prompt, n) for prompt, n in zip(prompts, slots, strict=True)]
    return torch.stack([ids for ids, _ in rows]), torch.stack([mask for _, mask in rows])


def extend(tokenizer: CLIPTokenizer, prompt: str, slots: int) -> tuple[Int[Tensor, " L"], Bool[Tensor, " L"]]:
    head, tail = halves(tokenizer, prompt)
    length = tokenizer.model_max_length
    first = len(head)  # the class token's position, the start token being 0
    if first + slots > length - 1:
        raise BadInput(
            f"the class word is token {first} and needs {slots} places for the identity, but a prompt has {length - 2} "
            "tokens of text; move it forward, shorten what comes before it, or use fewer photos",
            prompt=prompt,
        )
    mask = torch.zeros(length, dtype=torch.bool)
    mask[first : first + slots] = True
    return framed(tokenizer, head[:-1] + head[-1:] * slots + tail), mask


def text_only(tokenizer: CLIPTokenizer, prompt: str) -> str:
    """A sitter's prompt as the reference writes it for the text encoders: no trigger, lower case, tokens apart."""
    return str(tokenizer.decode(words_of(tokenizer, prompt)))


def place_trigger(prompt: str, class_word: str) -> str:
    """Puts the trigger after the first class word, or a class word with it in front; a prompt that has it stays."""
    if re.search(rf"{TRIGGER}(?!\w)", prompt):
        return prompt
    if TRIGGER in prompt:  # "imgur": the published tokenizers would take its first letters for the trigger
        raise BadInput(f"a sitter's prompt cannot have {TRIGGER!r} within a word; say it otherwise: {prompt!r}")
    found = re.search(rf"\b{re.escape(class_word)}\b", prompt, re.IGNORECASE)
    if found is None:
        return f"{class_word} {TRIGGER}, {prompt}"
    return f"{prompt[: found.end()]} {TRIGGER}{prompt[found.end() :]}"


def halves(tokenizer: CLIPTokenizer, prompt: str) -> tuple[list[int], list[int]]:
    """Ids before and after the trigger, which is matched as it is written: in any place, in lower case only."""
    parts = prompt.split(TRIGGER)
    if len(parts) != 2:
        count = "no" if len(parts) == 1 else str(len(parts) - 1)
        raise BadInput(
            f"the prompt has {count} {TRIGGER!r} where it needs exactly one, after the class word, "
            f'as in "a woman {TRIGGER} in a garden": {prompt!r}',
            prompt=prompt,
        )
    before, after = parts
    if not before.rstrip()[-1:].isalnum():
        raise BadInput(
            f'{TRIGGER!r} must follow a class word, as in "a woman {TRIGGER}", not {before[-10:]!r}: {prompt!r}',
            prompt=prompt,
        )
    return ids_of(tokenizer, before), ids_of(tokenizer, after)


def words_of(tokenizer: CLIPTokenizer, prompt: str) -> list[int]:
    before, after = halves(tokenizer, prompt)
    return before + after


def ids_of(tokenizer: CLIPTokenizer, text: str) -> list[int]:
    """Ids of a text alone, without start, end or limit; not verbose, for the limit is ours to keep."""
    return list(tokenizer(text, add_special_tokens=False, verbose=False).input_ids)


def framed(tokenizer: CLIPTokenizer, ids: list[int]) -> Int[Tensor, " L"]:
    """Start, as many ids as fit, end, then that tokenizer's own padding up to the model's length."""
    length = tokenizer.model_max_length
    row = [tokenizer.bos_token_id, *ids[: length - 2], tokenizer.eos_token_id]
    return torch.tensor(row + [tokenizer.pad_token_id] * (length - len(row)))
