"""SDXL and PhotoMaker V2 in full size with random weights: `python benchmarks/fullsize.py FOLDER [--set KEY=VALUE …]`.

Writes a model folder (8 GB, once), runs `narcis portrait --model FOLDER` on it in a process of its own, and says how
long each stage took and how much memory that process had.  It shows that the real sizes load, run and fit; the pictures
are noise, so the face's place is given by hand, and prompts are cut by an invented vocabulary of the real size.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import platform
import shlex
import shutil
import string
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from zlib import crc32

import psutil
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from narcis.folder import RunFolder
from narcis.portrait.catalogue import ENTRIES
from narcis.portrait.encoding import Encoding
from narcis.portrait.photomaker import PhotoMakerV2
from narcis.portrait.singlefile import CLIP_IDS, SIZES

MINI = Path(str(ENTRIES["mini"].bundled))

SCHEDULER = {
    "_class_name": "EulerDiscreteScheduler",
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
    "steps_offset": 1,
}
INDEX = {
    "_class_name": "StableDiffusionXLPipeline",
    "force_zeros_for_empty_prompt": True,
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "tokenizer_2": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}

# ------------------------------------------------------------------------------------------ the folder


def write(folder: Path, dtype: torch.dtype) -> None:
    """A model folder in diffusers' layout, one network at a time in memory; model_index.json comes last."""
    for part, network, config in networks():
        (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / part / "config.json").write_text(json.dumps(config, indent=1) + "\n")
        name = "diffusion_pytorch_model" if part in ("unet", "vae") else "model"
        save_file(drawn(network, part, dtype), folder / part / f"{name}.safetensors", {"format": "pt"})
    for part, pad in (("tokenizer", "<|endoftext|>"), ("tokenizer_2", "!")):
        write_tokenizer(folder / part, pad)
    write_analyser(folder / "analyser")
    (folder / "scheduler").mkdir(exist_ok=True)
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULER, indent=1) + "\n")
    (folder / "model_index.json").write_text(json.dumps(INDEX, indent=1) + "\n")


def networks() -> Iterator[tuple[str, nn.Module, dict[str, Any]]]:
    """Each part's name, the network without weights, and its configuration: the published sizes."""
    text, text_2 = (CLIPTextConfig(**{**CLIP_IDS, **SIZES[part]}) for part in ("text_encoder", "text_encoder_2"))
    sizes = Encoding()
    with torch.device("meta"):
        unet: Any = UNet2DConditionModel.from_config(SIZES["unet"])
        vae: Any = AutoencoderKL.from_config(SIZES["vae"])
        first, second, encoder = CLIPTextModel(text), CLIPTextModelWithProjection(text_2), PhotoMakerV2(sizes)
    yield "unet", unet, dict(unet.config)
    yield "vae", vae, dict(vae.config)
    yield "text_encoder", first, text.to_dict()
    yield "text_encoder_2", second, text_2.to_dict()
    yield "id_encoder", encoder, asdict(sizes)


def drawn(network: nn.Module, part: str, dtype: torch.dtype) -> dict[str, Tensor]:
    """Weights that anyone can draw again from their names, and under which every layer keeps its input's scale."""
    return {key: weight(f"{part}/{key}", value.shape).to(dtype) for key, value in network.state_dict().items()}


def weight(name: str, shape: torch.Size) -> Tensor:
    r = torch.randn(shape, generator=torch.Generator().manual_seed(crc32(name.encode())))
    if len(shape) >= 2:
        return r.mul_(math.prod(shape[1:]) ** -0.5)
    return r.mul_(0.1).add_(1) if name.endswith(".weight") else r.mul_(0.05)


def write_tokenizer(folder: Path, pad: str) -> None:
    """Byte pairs as CLIP has them, 49408 ids, but joined in the alphabet's order instead of language's."""
    folder.mkdir(parents=True, exist_ok=True)
    bytes_ = [*map(chr, [*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324)])]
    joined = list(itertools.islice(pairs(), 49408 - 2 * len(bytes_) - 2))
    words = [*bytes_, *(f"{letter}</w>" for letter in bytes_), *("".join(pair) for pair in joined)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in joined))
    said = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True, "pad_token": pad}
    said |= {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(said, indent=1) + "\n")


def pairs() -> Iterator[tuple[str, str]]:
    """What is joined to what: two letters, then two and one, then three and one, at a word's end and within it."""
    letters = string.ascii_lowercase
    for length in itertools.count(1):
        for head in itertools.product(letters, repeat=length):
            for letter in letters:
                yield "".join(head), letter
                yield "".join(head), f"{letter}</w>"


def write_analyser(folder: Path) -> None:
    """mini's own, whose embedding of 128 numbers is said four times: PhotoMaker asks for 512, and cosines stay."""
    weights = load_file(MINI / "analyser" / "model.safetensors")
    config = json.loads((MINI / "analyser" / "config.json").read_text())
    for key, value in weights.items():
        if key.startswith(("recogniser.head.3.", "recogniser.head.4.")):
            weights[key] = value.repeat(4, *[1] * (value.ndim - 1))
        if key == "recogniser.woman.weight":
            weights[key] = value.repeat(1, 4) / 4
    folder.mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous() for key, value in weights.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({**config, "embedding": 512}, indent=1) + "\n")


# ------------------------------------------------------------------------------------------ the run
PLACE = "0.25,0.2,0.5,0.6"  # where a portrait's face would be
SMI = ("nvidia-smi", "--id=0", "--format=csv,noheader,nounits")


def portrait(folder: Path, out: Path, size: int, given: list[str]) -> Watch:
    """`narcis portrait` in a process of its own, watched from begin to end."""
    command = [sys.executable, "-m", "narcis", "portrait", "byzantine emperor", "--sitter", "ada"]
    command += ["--model", str(folder), "--size", str(size), "--out", str(out)]
    command += [f"--set={pair}" for pair in (f"face_at={PLACE}", *given)]
    print("$", shlex.join(["narcis", *command[3:]]), flush=True)
    watch = Watch(subprocess.Popen(command))
    if code := watch.follow():
        raise SystemExit(code)
    return watch


class Watch:
    """Time and memory of a process and its children: their own, and with the pages of files that they map."""

    def __init__(self, running: subprocess.Popen[bytes]):
        self.running, self.began, self.seconds = running, time.time(), 0.0
        self.own = self.mapped = self.card = 0  # bytes, the most at one time

    def follow(self) -> int:
        """Until it ends; its exit code."""
        process = psutil.Process(self.running.pid)
        while self.running.poll() is None:
            both = [taken(one) for one in (process, *process.children(recursive=True))]
            self.own, self.mapped = (max(most, sum(now)) for most, now in zip((self.own, self.mapped), zip(*both)))
            self.card = max(self.card, on_card())
            time.sleep(0.2)
        self.seconds = time.time() - self.began
        return self.running.returncode


def on_card() -> int:
    """Bytes in use on the first card, whoever uses them; 0 where there is none."""
    if not shutil.which("nvidia-smi"):
        return 0
    said = subprocess.run([*SMI, "--query-gpu=memory.used"], capture_output=True, text=True, check=True).stdout
    return int(said.split()[0]) * 2**20


def taken(process: psutil.Process) -> tuple[int, int]:
    """Bytes of a process's own, and with mapped files; the system may drop those whenever it wants the room."""
    try:
        used = process.memory_info()
    except psutil.Error:  # it has just ended
        return 0, 0
    return used.rss - getattr(used, "shared", 0), used.rss


def stages(run: RunFolder, began: float) -> dict[str, tuple[float, int]]:
    """Seconds and steps of each stage, from the events in the run's folder; all before the first step is loading."""
    events = run.events()
    spent: dict[str, tuple[float, int]] = {}
    for event, before in zip(events, [began, *(event.at for event in events)]):
        name = "load, hash, text and first step" if before == began else event.stage
        seconds, steps = spent.get(name, (0.0, 0))
        spent[name] = (seconds + event.at - before, steps + 1)
    return spent


def report(run: RunFolder, watch: Watch) -> None:
    print(f"\n{datetime.now():%Y-%m-%d}, {platform.machine()}, {psutil.cpu_count()} cores")
    print(run.manifest()["images"][0]["made_on"])
    spent = stages(run, watch.began)
    for name, (took, steps) in spent.items():
        print(f"{name:<34} {took:7.1f} s  {steps:3} steps of {took / steps:.1f} s")
    print(f"{'last decode, paste, measures':<34} {watch.seconds - sum(took for took, _ in spent.values()):7.1f} s")
    print(f"{'all':<34} {watch.seconds:7.1f} s")
    if watch.card:
        print(f"at most {watch.card / 1e9:.1f} GB on the card")
    print(f"at most {watch.own / 1e9:.1f} GB of its own, {watch.mapped / 1e9:.1f} GB with the pages of mapped files")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path, help="the model's folder; it is written where it is not there")
    options.add_argument("--dtype", default="float16", help="of the files; SDXL's are published in float16")
    options.add_argument("--size", type=int, default=256, help="side of the pictures, px")
    options.add_argument("--out", type=Path, help="the run's folder; else a new one, since stages are not run twice")
    options.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of `narcis portrait`")
    given = options.parse_args()
    if not (given.folder / "model_index.json").is_file():
        began = time.monotonic()
        write(given.folder, getattr(torch, given.dtype))
        print(f"{given.folder} is written, {time.monotonic() - began:.0f} s", flush=True)
    out = given.out or Path(f"runs/{datetime.now():%Y-%m-%d-%H%M%S}-fullsize")
    watch = portrait(given.folder, out, given.size, given.set)
    report(RunFolder.open(out), watch)


if __name__ == "__main__":
    main()
