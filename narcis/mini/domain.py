"""The words that narcis-mini was trained on. Frozen with its weights: the painter may know more."""

MEDIA = ("oil", "watercolour", "woodcut", "pop-art")
COSTUMES = ("robe", "armour", "suit", "ruff", "gown")
HEADWEAR = {"none": 0.3, "crown": 0.14, "laurel": 0.14, "turban": 0.14, "hat": 0.14, "helmet": 0.14}  # word: share
PALETTES = ("crimson", "azure", "emerald", "violet", "amber", "umber", "ivory")
BACKDROPS = ("plain", "landscape", "arch", "halo")
EMOTIONS = {"calm": 0.4, "smiling": 0.35, "stern": 0.25}  # word: share

# What the judge of `mini check` reads back from a picture, and the answers it knows.
QUESTIONS = {
    "medium": list(MEDIA),
    "headwear": list(HEADWEAR),
    "backdrop": list(BACKDROPS),
    "palette": list(PALETTES),
    "emotion": list(EMOTIONS),
    "costume": list(COSTUMES),
}
