"""Any chat model on this machine, by transformers.

The answer's JSON is ours: braces, names and commas are put into the model's mouth, and it is asked for what stands
between the quotes alone, token by token, with all tokens forbidden that could not stand there.  So every model answers
by the schema, be it small; whether it makes sense is judged afterwards.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cache, partial
from typing import Any, NamedTuple

from narcis.errors import BadInput, NotFound, Unavailable
from narcis.mecene.keywords import CATEGORIES
from narcis.mecene.writers import Brief, Found, schema

log = logging.getLogger(__name__)

WARMTH = 0.8  # temperature of what is sampled
LONGEST = {"idea": 130, "keyword": 12}  # tokens
SHORTEST = {"idea": 30, "keyword": 1}  # before a quote may close it
FURTHER = 1_000_003  # from one attempt's seed to the next one's


class Local:
    """A model's folder or its name on the hub; read on the first question, and once in a process."""

    name = "transformers"

    def __init__(self, model: str, offline: bool = False):
        if not model:
            raise BadInput("the writer transformers needs a model: its folder or name, as in transformers:FOLDER")
        self.model, self.offline = model, offline

    def idea(self, words: str, seed: int, brief: Brief) -> str:
        return self.answer(schema.IDEA, schema.idea_message(words, seed, brief), seed, brief, schema.idea_of)

    def keywords(self, words: str, idea: str, seed: int, brief: Brief) -> Found:
        told = schema.keywords_message(words, idea, brief)
        return self.answer(schema.KEYWORDS, told, seed, brief, partial(schema.found_of, brief=brief))

    def answer(self, job: str, told: str, seed: int, brief: Brief, read: Any) -> Any:
        attempts = iter((seed, seed + FURTHER))
        chat = loaded(self.model, self.offline)
        fill = filled_idea if job is schema.IDEA else partial(filled_keywords, brief=brief)

        def ask(wrong: str) -> dict[str, Any]:
            job_now = schema.system(job, brief) + (f"Your last answer was wrong: {wrong}. " if wrong else "")
            return fill(Mouth(chat, chat.opening(job_now, told), next(attempts)))

        return schema.twice(ask, read, f"the model {self.model}")


def filled_idea(mouth: Mouth) -> dict[str, Any]:
    mouth.say('{"verdict": "')
    verdict = mouth.choose(["paint", "decline"])
    if verdict == "decline":
        return {"verdict": verdict}
    mouth.say('", "idea": "')
    return {"verdict": verdict, "idea": mouth.fill("idea")}


def filled_keywords(mouth: Mouth, brief: Brief) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    mouth.say("{")
    for category in CATEGORIES:
        mouth.say(f'"{category}": ["')
        answer[category] = list(dict.fromkeys(listed(mouth)))
        mouth.say('"], ')
    if brief.vocabulary:
        answer["painter"] = {}
        mouth.say('"painter": {')
        for name, values in brief.vocabulary.items():
            mouth.say(f'"{name}": "')
            answer["painter"][name] = mouth.choose(list(values))
            mouth.say('", ')
    return answer


def listed(mouth: Mouth) -> Iterator[str]:
    for n in range(schema.EACH):
        if n:
            mouth.say('", "')
        yield mouth.fill("keyword")


# ------------------------------------------------------------------------------------------ the model
class Chat(NamedTuple):
    """A model, its tokenizer, and what each of its tokens may do between quotes."""

    model: Any
    tokenizer: Any
    plain: Any  # bool [vocabulary]: text without a quote
    closing: dict[int, str]  # tokens with a quote, by the text before it

    def opening(self, system: str, told: str) -> list[int]:
        """The ids of the conversation up to where the model speaks."""
        turns = [{"role": "system", "content": system}, {"role": "user", "content": told}]
        if self.tokenizer.chat_template is None:
            return self.tokenizer(f"{system}\n\n{told}\n\n").input_ids
        text = self.tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        return self.tokenizer(text, add_special_tokens=False).input_ids


@cache
def loaded(name: str, offline: bool = False) -> Chat:
    """Raises NotFound where there is no such model, Unavailable where it cannot be had now."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=offline)
        model: Any = AutoModelForCausalLM.from_pretrained(name, dtype="auto", local_files_only=offline)
        model = model.to(device).eval()
    except (OSError, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        raise NotFound(f"the chat model {name!r} cannot be read: {said}", model=name) from None
    except ImportError as error:
        raise Unavailable(f"the chat model {name!r} needs a package that is not here: {error}") from None
    log.info("the chat model %s is on %s", name, device)
    return Chat(model, tokenizer, *signs(tokenizer, model.config.get_text_config().vocab_size))


def signs(tokenizer: Any, size: int) -> tuple[Any, dict[int, str]]:
    """Which tokens are plain text, and which hold the closing quote; all that would break JSON or speak as the system
    is neither."""
    import torch

    plain, closing = torch.zeros(size, dtype=torch.bool), {}
    special = set(tokenizer.all_special_ids)
    for id in range(min(size, len(tokenizer))):
        text = tokenizer.decode([id])
        before, quote, _ = text.partition('"')
        if id in special or id in tokenizer.added_tokens_decoder or not text or not fit(before):
            continue
        if quote:
            closing[id] = before
        else:
            plain[id] = True
    return plain, closing


def fit(text: str) -> bool:
    return text.isprintable() and not set(text) & set("\\{}[]<>|`#*_\ufffd")


class Mouth:
    """What has been said up to now, and what may be said next."""

    def __init__(self, chat: Chat, ids: list[int], seed: int):
        import torch

        self.chat, self.waiting, self.past = chat, list(ids), None
        self.generator = torch.Generator("cpu").manual_seed(seed)

    def say(self, text: str) -> None:
        self.waiting += self.chat.tokenizer(text, add_special_tokens=False).input_ids

    def next(self) -> Any:
        """The logits of the next token [vocabulary], in float32 on the CPU."""
        import torch

        with torch.inference_mode():
            given = torch.tensor([self.waiting], device=self.chat.model.device)
            out = self.chat.model(input_ids=given, past_key_values=self.past, use_cache=True)
        self.waiting, self.past = [], out.past_key_values
        return out.logits[0, -1].float().cpu()

    def fill(self, kind: str) -> str:
        """Text between quotes, sampled."""
        said: list[int] = []
        while len(said) < LONGEST[kind]:
            id = self.sample(self.allowed(len(said) >= SHORTEST[kind]))
            if id in self.chat.closing:
                end = self.chat.closing[id]
                self.say(end)
                return f"{self.chat.tokenizer.decode(said)}{end}".strip()
            said.append(id)
            self.waiting.append(id)
        return self.chat.tokenizer.decode(said).strip()

    def allowed(self, may_close: bool) -> Any:
        if not may_close or not self.chat.closing:
            return self.chat.plain
        both = self.chat.plain.clone()
        both[list(self.chat.closing)] = True
        return both

    def sample(self, allowed: Any) -> int:
        import torch

        logits = (self.next() / WARMTH).masked_fill(~allowed, -torch.inf)
        return int(torch.multinomial(logits.softmax(0), 1, generator=self.generator))

    def choose(self, options: list[str]) -> str:
        """The one of some texts that the model would say, token by token."""
        left = {text: self.chat.tokenizer(text, add_special_tokens=False).input_ids for text in options}
        place = 0
        while len(left) > 1:
            logits = self.next()
            best = max({ids[place] for ids in left.values() if len(ids) > place}, key=lambda id: float(logits[id]))
            left = {text: ids for text, ids in left.items() if ids[place : place + 1] == [best]}
            self.waiting.append(best)
            place += 1
            if any(len(ids) == place for ids in left.values()):  # one that another begins with: the shorter is said
                left = {text: ids for text, ids in left.items() if len(ids) == place}
                break
        (chosen, ids), *_ = left.items()
        self.waiting += ids[place:]
        return chosen
