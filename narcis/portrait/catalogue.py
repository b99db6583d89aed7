"""What can be loaded: every set of weights by name, its files, where they come from, and on what terms.

Sizes and hashes are those of the published files at the revision named; None is a fact that nobody has recorded here,
and then what the source says is checked at pulling and kept beside the files.  No tensor library is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from narcis.errors import NotFound

PACKAGE = Path(__file__).parents[1]

# What networks count in, by the kinds of `device.kind`: SDXL, and a model as small as mini.
LARGE = {
    "ampere": "bfloat16",
    "turing": "float16",
    "apple": "float16",
    "cpu with bfloat16": "bfloat16",
    "cpu": "float32",
}
SMALL = {**LARGE, "apple": "float32", "cpu with bfloat16": "float32"}
WIDE = dict.fromkeys(LARGE, "float32")


@dataclass(frozen=True)
class Licence:
    """What the weights' publisher allows; `production` is whether anyone may earn money with what they paint."""

    name: str
    production: bool
    terms: str  # in one line
    read: str  # where it is written


@dataclass(frozen=True)
class File:
    """One file, by its path in the entry's folder; size in bytes."""

    name: str
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Entry:
    """One set of weights, which is one folder wherever models lie."""

    name: str
    title: str
    parts: tuple[str, ...]  # what of a model it is: base, vae, id_encoder, lora, analyser, layout
    licence: Licence
    files: tuple[File, ...]
    hub: str = ""  # repository; "" where it is on no hub
    revision: str = ""
    below: str = ""  # the files' folder in that repository
    about: int | None = None  # bytes in round numbers, where no exact size is recorded
    bundled: Path | None = None  # ships with the package
    analyser: str = ""  # of a face analyser: the kind that `models.ANALYSERS` knows it by
    dtypes: Mapping[str, str] = field(default_factory=lambda: LARGE)  # what it counts in, by the kind of device
    upcast: tuple[str, ...] = ()  # its parts that overflow in float16 and count in float32 everywhere

    @property
    def size(self) -> int | None:
        """Bytes of all files, None where one of them is not recorded."""
        sizes = [file.size for file in self.files if file.size is not None]
        return sum(sizes) if sizes and len(sizes) == len(self.files) else None


# ------------------------------------------------------------------------------------------ licences
APACHE = Licence("Apache-2.0", True, "any use", "https://www.apache.org/licenses/LICENSE-2.0")
MIT = Licence("MIT", True, "any use", "https://huggingface.co/madebyollin/sdxl-vae-fp16-fix")
OPENRAIL = Licence(
    "CreativeML Open RAIL++-M",
    True,
    "commercial use too, but for the harmful uses that its attachment A lists",
    "https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0/blob/main/LICENSE.md",
)
INSIGHTFACE = Licence(
    "InsightFace model terms",
    False,
    "non-commercial research only; a licence for more is sold by its authors",
    "https://github.com/deepinsight/insightface#license",
)
PHOTOMAKER_V2 = Licence(
    "Apache-2.0 and InsightFace model terms",
    False,
    "trained on InsightFace's embeddings, so non-commercial research only, as its maintainers say",
    "https://github.com/TencentARC/PhotoMaker/issues/142",
)

# ------------------------------------------------------------------------------------------ files
CLIP_WORDS = {
    "merges.txt": (524_619, "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a"),
    "vocab.json": (1_059_962, "e089ad92ba36837a0d31433e555c8f45fe601ab5c221d4f607ded32d9f7a4349"),
}
SDXL_LAYOUT = {
    "model_index.json": (609, "6d7b93508390ab91ac5bfbe4aeb4dc2d83f7bb1b05fb069d714b5b0c75f70d44"),
    "scheduler/scheduler_config.json": (479, "af3e45a949aff8b8341ab8b811429ec03fee857a700a1d9477363e4fff9666e2"),
    "text_encoder/config.json": (565, "39b8b2e4b1949e36969caa425b6c81c68bace99198dd9078ce05d16ad401fe7f"),
    "text_encoder_2/config.json": (575, "a892d1c3a69a7e9247a24de2bc1d5891e3109a54696e53be20093af671072c34"),
    **{f"tokenizer/{name}": facts for name, facts in CLIP_WORDS.items()},
    "tokenizer/special_tokens_map.json": (472, "c4864a9376a8401918425bed71fc14fc0e81f9b59ec45c1cf96cccb2df508eac"),
    "tokenizer/tokenizer_config.json": (737, "19d7b034cb0cc3ce9766c2231373ab8aa8991fc72e2c8f76558bfaae3de0d563"),
    **{f"tokenizer_2/{name}": facts for name, facts in CLIP_WORDS.items()},
    "tokenizer_2/special_tokens_map.json": (460, "f118ab3a983206e4f32583448de6bd6aae4ee21869135cef1f5848a753cdaab6"),
    "tokenizer_2/tokenizer_config.json": (725, "c9d23941f76a41cbd50eda9290f57be7828f0a7a677939e9ef181f7e12bd1bdf"),
    "unet/config.json": (1_680, "30ebc70750223e59006f7f2b4e1e6c102570aa19a9c4ae3e1fbe7591332dbae6"),
    "vae/config.json": (642, "0b331c8ac22ded5f9997a144a575c1d113d6169aff262c353f39015bd24a6264"),
}
SDXL_WEIGHTS = {
    "text_encoder/model.fp16.safetensors": (
        246_144_152,
        "660c6f5b1abae9dc498ac2d21e1347d2abdb0cf6c0c0c8576cd796491d9a6cdd",
    ),
    "text_encoder_2/model.fp16.safetensors": (
        1_389_382_176,
        "ec310df2af79c318e24d20511b601a591ca8cd4f1fce1d8dff822a356bcdb1f4",
    ),
    "unet/diffusion_pytorch_model.fp16.safetensors": (
        5_135_149_760,
        "83e012a805b84c7ca28e5646747c90a243c65c8ba4f070e2d7ddc9d74661e139",
    ),
    "vae/diffusion_pytorch_model.fp16.safetensors": (
        167_335_342,
        "bcb60880a46b63dea58e9bc591abe15f8350bde47b405f9c38f4be70c6161e68",
    ),
}
SDXL_VAE_FP16_FIX = {
    "config.json": (631, "f18b16fa4381c90ab44a3d7abd2e90afd05a2c31b8ca69998bc93c6453aeb7b7"),
    "diffusion_pytorch_model.safetensors": (
        334_643_238,
        "1b909373b28f2137098b0fd9dbc6f97f8410854f31f84ddc9fa04b077b0ace2c",
    ),
}
PHOTOMAKER_V2_BIN = {
    "photomaker-v2.bin": (None, "0eeac57d7e09b95cee670a18e0d939ff303dd6f76d317c950bf584c6c9bdb8f5"),
}
PHOTOMAKER_V1_BIN = {"photomaker-v1.bin": (None, None)}
BUFFALO_L = {
    "1k3d68.onnx": (143_607_619, "df5c06b8a0c12e422b2ed8947b8869faa4105387f199c477af038aa01f9a45cc"),
    "2d106det.onnx": (5_030_888, "f001b856447c413801ef5c42091ed0cd516fcd21f2d6b79635b1e733a7109dbf"),
    "det_10g.onnx": (16_923_827, "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91"),
    "genderage.onnx": (1_322_532, "4fde69b1c810857b88c64a335084f1c3fe8f01246c9a191b48c7bb756d6652fb"),
    "w600k_r50.onnx": (174_383_860, "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43"),
}


MEDIAPIPE = {
    "face_detection_short_range.tflite": (229_714, "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8"),
    "face_landmark.tflite": (1_242_398, "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814"),
}


def files(named: Mapping[str, tuple[int | None, str | None]]) -> tuple[File, ...]:
    return tuple(File(name, *facts) for name, facts in named.items())


# ------------------------------------------------------------------------------------------ entries
SDXL_HUB = {
    "hub": "stabilityai/stable-diffusion-xl-base-1.0",
    "revision": "462165984030d82259a11f4367a4eed129e94a7b",
    "licence": OPENRAIL,
}
ENTRIES = {
    entry.name: entry
    for entry in (
        Entry(
            "mini",
            "the embedded model, which ships with the package",
            ("base", "vae", "id_encoder", "analyser"),
            APACHE,
            (),
            bundled=PACKAGE / "mini" / "weights",
            dtypes=SMALL,
        ),
        Entry(
            "sdxl-base",
            "SDXL 1.0, 1024 px",
            ("base", "vae"),
            files=files({**SDXL_LAYOUT, **SDXL_WEIGHTS}),
            upcast=("vae",),
            **SDXL_HUB,
        ),
        Entry(
            "sdxl-layout",
            "SDXL's tokenizers and configurations, which a single file needs beside it",
            ("layout",),
            files=files(SDXL_LAYOUT),
            **SDXL_HUB,
        ),
        Entry(
            "sdxl-vae-fp16-fix",
            "SDXL's VAE, finetuned so that it does not overflow in float16",
            ("vae",),
            MIT,
            files(SDXL_VAE_FP16_FIX),
            hub="madebyollin/sdxl-vae-fp16-fix",
            revision="207b116dae70ace3637169f1ddd2434b91b3a8cd",
        ),
        Entry(
            "photomaker-v2",
            "PhotoMaker's second identity encoder, and its LoRA",
            ("id_encoder", "lora"),
            PHOTOMAKER_V2,
            files(PHOTOMAKER_V2_BIN),
            hub="TencentARC/PhotoMaker-V2",
            revision="f5a1e5155dc02166253fa7e29d13519f5ba22eac",
            about=1_800_000_000,
        ),
        Entry(
            "photomaker-v1",
            "PhotoMaker's first identity encoder, and its LoRA",
            ("id_encoder", "lora"),
            APACHE,
            files(PHOTOMAKER_V1_BIN),
            hub="TencentARC/PhotoMaker",
            revision="f68f8e6309bf213d28d68230abff0ccc92de9f30",
            about=934_000_000,
        ),
        Entry(
            "buffalo_l",
            "InsightFace's pack of detector, 106 landmarks, age, sex and recogniser",
            ("analyser",),
            INSIGHTFACE,
            files(BUFFALO_L),
            hub="public-data/insightface",  # a copy of the pack of release v0.7, file by file
            revision="33c1063c49c785b7652d3fd529f86fa4f149392b",
            below="models/buffalo_l",
            analyser="insightface",
            dtypes=WIDE,
        ),
        Entry(
            "mediapipe",
            "MediaPipe's face mesh, which ships with the package; it recognises nobody",
            ("analyser",),
            APACHE,
            files(MEDIAPIPE),
            bundled=PACKAGE / "portrait" / "analysers" / "mediapipe",
            analyser="mediapipe",
            dtypes=WIDE,
        ),
    )
}

# Models that are put together: the base, and what joins it.  `BASE+ENTRY+ENTRY` puts others together, see `models`.
MODELS = {
    "mini": ("mini",),
    "sdxl": ("sdxl-base", "sdxl-vae-fp16-fix", "photomaker-v2", "buffalo_l"),
    "sdxl-v1": ("sdxl-base", "sdxl-vae-fp16-fix", "photomaker-v1", "mediapipe"),
}


def entry(name: str) -> Entry:
    if name not in ENTRIES:
        raise NotFound(f"no weights {name!r}; there are {', '.join(ENTRIES)}", name=name, known=list(ENTRIES))
    return ENTRIES[name]


def entries(names: Iterable[str]) -> list[Entry]:
    """What models and entries of these names are made of, each once, in order."""
    found: dict[str, Entry] = {}
    for name in names:
        if name not in MODELS and name not in ENTRIES:
            known = list(dict.fromkeys([*MODELS, *ENTRIES]))
            raise NotFound(f"no model {name!r}; there are {', '.join(known)}", name=name, known=known)
        found |= {part: ENTRIES[part] for part in MODELS.get(name, (name,))}
    return list(found.values())


def refused(names: Iterable[str], accepted: Iterable[str] = ()) -> list[Entry]:
    """Of these models and entries, those whose licence keeps them out of production, unless somebody accepted them."""
    return [one for one in entries(names) if not one.licence.production and one.name not in set(accepted)]
