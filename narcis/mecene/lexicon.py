"""The writer without a language model: a lexicon of associations with what the embedded model has learnt to paint."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from functools import cache

from narcis.mecene import ClassWord, Idea

# What mini can paint, in the words of its captions, in the order of its captions.
VOCABULARY: dict[str, tuple[str, ...]] = {
    "medium": ("oil painting", "watercolour", "ukiyo-e woodcut", "pop art"),
    "emotion": ("calm", "smiling", "stern"),
    "headwear": ("none", "crown", "laurel", "turban", "hat", "helmet"),
    "costume": ("robe", "armour", "suit", "ruff", "gown"),
    "palette": ("crimson", "azure", "emerald", "violet", "amber", "umber", "ivory"),
    "backdrop": ("plain", "landscape", "arch", "halo"),
}
# Short names that the table below uses.
SHORT = {"oil": "oil painting", "woodcut": "ukiyo-e woodcut", "pop": "pop art", "bare": "none"}

# Left: words; right: what they bring to mind.
ASSOCIATIONS = """
byzantine basilica icon constantinople ravenna justinian theodora orthodox | halo amber robe crown oil stern
emperor empress caesar tsar kaiser imperial empire dynasty | crown robe crimson amber stern oil arch
king monarch royal royalty regal majesty sovereign throne coronation reign | crown robe crimson oil arch stern
queen princess duchess countess lady majestic | crown gown violet crimson oil calm arch
prince duke count lord heir noble nobility aristocrat baron | crown ruff azure oil arch calm
roman rome senator republic augustus cicero consul | laurel robe crimson ivory arch stern oil
greek athens hellenic olympus classical classic antique antiquity apollo | laurel robe ivory arch calm oil
poet poem poetry verse ode muse lyric sonnet bard | laurel robe azure calm watercolour landscape
victory triumph champion winner glory glorious laureate | laurel armour amber smiling arch oil
philosopher philosophy wisdom wise thinker sage reason stoic stoicism | laurel robe umber calm stern oil plain
scholar study book library learned academy professor teacher university | hat robe umber amber calm oil plain
saint holy sacred divine blessed grace heaven heavenly miracle faith prayer | halo robe ivory amber calm oil bare
angel seraph cherub celestial paradise eternal eternity immortal | halo robe ivory azure smiling oil bare
madonna mary virgin mercy nativity annunciation | halo gown azure calm oil bare
monk nun friar abbot hermit pilgrim prophet ascetic | halo robe umber calm oil bare
pope cardinal bishop priest cathedral church vatican | hat robe crimson halo stern oil
gothic medieval cloister chapel abbey | arch robe umber crown stern oil
knight chivalry crusader paladin templar lancelot tournament joust | helmet armour azure stern arch oil
warrior soldier fighter battle war | helmet armour crimson stern landscape oil
combat brave bravery courage valiant valour | helmet armour crimson stern landscape oil
general marshal commander captain admiral officer military army | hat armour azure stern landscape oil
gladiator spartan sparta legion centurion achilles hector troy | helmet armour crimson stern arch oil
viking norse odin thor valkyrie saga nordic | helmet armour azure stern landscape oil
hero heroic heroine legend legendary epic myth mythic | helmet armour amber stern landscape oil
guardian sentinel defender protector shield fortress castle | helmet armour umber stern arch oil
steel iron metal chrome forged blade sword dagger | helmet armour azure stern plain oil
power powerful mighty strength strong force dominant dominion | armour crown crimson stern plain oil
samurai shogun ronin bushido katana ninja | helmet armour crimson stern landscape woodcut
japan japanese kyoto tokyo edo geisha kabuki kimono ukiyo hokusai hiroshige | robe woodcut azure landscape bare calm
zen bamboo haiku tea lotus sakura blossom cherry crane koi | robe woodcut emerald landscape bare calm
wave tsunami fuji tide surf current | woodcut azure landscape robe bare calm
china chinese beijing ming tang silk jade korea korean seoul | robe woodcut emerald landscape calm hat
sultan ottoman ottomans vizier pasha caliph istanbul turkish turkey | turban robe emerald amber arch stern oil
persian persia arabian arabia bedouin sheikh aladdin scheherazade bazaar | turban robe azure amber arch calm oil
maharaja rajah mughal mogul india indian rajput hindu delhi jaipur | turban robe amber crimson arch smiling oil
moorish andalusian alhambra morocco berber sahara caravan spice | turban robe umber amber arch calm oil
oriental orient magus magi mystic mystical mystery mysterious fakir dervish | turban robe violet arch calm oil
desert dune sand oasis nomad mirage camel | turban robe amber landscape calm watercolour
egypt egyptian pharaoh cleopatra nile pyramid sphinx | crown robe amber azure plain stern oil
africa african savanna ethiopia ethiopian mali sheba | crown robe amber emerald landscape calm oil
aztec maya inca andes mexico mexican | crown robe emerald crimson landscape stern woodcut
spanish spain velazquez toledo madrid hidalgo infanta | ruff crimson umber oil plain stern bare
elizabethan tudor shakespeare hamlet stuart stratford | ruff umber ivory oil plain calm hat
dutch holland rembrandt amsterdam vermeer flemish hals | ruff hat umber oil plain calm
renaissance florence florentine medici | robe hat crimson emerald oil landscape arch calm
leonardo raphael botticelli tuscan titian | robe hat crimson emerald oil landscape arch calm
venice venetian carnival masquerade gondola doge canaletto | gown hat violet crimson oil arch smiling
baroque caravaggio rubens chiaroscuro | ruff gown crimson umber oil plain stern
drama dramatic theatre theatrical opera | ruff gown crimson umber oil plain stern
rococo versailles marquise fragonard powder ballroom pompadour | gown ivory azure oil landscape smiling
victorian edwardian dickens sherlock london british english england | hat suit umber oil plain stern
napoleon napoleonic bonaparte regency austerlitz waterloo | hat suit azure oil landscape stern
romantic romance romanticism byron heathcliff wuthering brooding | suit umber azure oil landscape calm bare
impressionist impressionism monet renoir giverny degas | hat gown azure violet watercolour landscape smiling
paris parisian french france montmartre bohemian bohemia cafe | hat suit azure violet watercolour calm plain
corporate business boardroom executive manager management ceo | suit bare azure stern plain pop
office career professional meeting merger strategy consultant lawyer | suit bare azure calm plain oil
confidence confident assured assurance ambition | suit amber crimson smiling plain pop
ambitious bold boldness proud pride | suit amber crimson smiling plain pop
money rich wealth wealthy luxury gold golden bank banker market fortune | crown suit amber smiling plain pop
startup tech technology digital software code coder computer internet data | suit azure violet plain smiling pop bare
robot cyber cyberpunk android machine future futuristic neon synthetic | helmet armour violet azure plain stern pop
space astronaut cosmos cosmic galaxy galactic nebula rocket orbit lunar | helmet armour violet azure plain calm pop
star stars starlight stellar constellation astral zodiac | halo robe violet azure calm watercolour
warhol lichtenstein comic comics pop popart factory marilyn poster print | pop plain suit bare crimson smiling
celebrity famous fame film cinema movie hollywood diva icon | pop gown amber plain smiling bare
disco dance dancer party club groove funk glam glamour glamorous | pop gown violet plain smiling bare
rock punk rebel rebellion rebellious guitar grunge | pop suit crimson plain stern bare
jazz swing saxophone trumpet bebop harlem bluesman ragtime | hat suit pop amber umber plain calm
blues soul melody music musician song singer symphony concerto | hat suit azure umber oil calm plain
gangster mafia noir detective spy crime smoke smoky fedora | hat suit umber plain stern oil
cowboy western ranch texas rodeo outlaw sheriff frontier | hat suit umber amber landscape stern oil
gentleman dandy elegant elegance tailored dapper chic style stylish fashion | hat suit ivory calm plain oil
modern modernist contemporary urban city metropolis street graffiti | pop suit plain azure smiling bare
retro vintage nostalgia nostalgic sixties seventies fifties eighties | pop hat suit amber plain smiling
electric electricity energy energetic vivid | pop suit amber crimson plain smiling
vibrant bright colour color colourful | pop suit amber crimson plain smiling
ethereal ether airy weightless | laurel gown watercolour ivory violet calm landscape
fragile delicate gossamer translucent | laurel gown watercolour ivory violet calm landscape
beauty beautiful lovely pretty | gown watercolour ivory laurel smiling landscape
charm charming graceful venus aphrodite | gown watercolour ivory laurel smiling landscape
dream dreamy reverie vision | gown violet watercolour landscape calm laurel
visionary fantasy fantastic imagination surreal | gown violet watercolour landscape calm laurel
fairy fae elf elven pixie | laurel gown emerald watercolour landscape smiling
nymph sprite enchanted enchantment magic magical | laurel gown emerald watercolour landscape smiling
wizard witch sorcerer sorceress merlin alchemist alchemy spell oracle | hat robe violet oil arch stern
moon moonlight moonlit night | robe azure violet watercolour landscape calm bare
nocturne midnight evening twilight dusk | robe azure violet watercolour landscape calm bare
sun sunny sunrise sunset dawn morning | halo amber gown watercolour landscape smiling
daylight light radiant radiance shine glow | halo amber gown watercolour landscape smiling
shadow dark darkness obscure black ebony gloom gloomy eclipse abyss | robe umber oil plain stern bare
winter snow snowy frost frozen ice icy glacier arctic cold | gown ivory azure landscape calm watercolour
spring april may bloom blooming bud fresh freshness youth young | laurel gown emerald landscape smiling watercolour
summer june july august beach | hat gown amber azure landscape smiling watercolour
holiday heat warm warmth mediterranean | hat gown amber azure landscape smiling watercolour
autumn fall october november harvest leaf leaves maple | hat robe amber umber landscape calm watercolour
forest wood woodland tree oak | laurel robe emerald umber landscape calm watercolour
pine moss fern jungle wild wilderness | laurel robe emerald umber landscape calm watercolour
garden flower flowers floral botanical | laurel gown emerald violet landscape smiling watercolour
rose lily iris peony orchid meadow | laurel gown emerald violet landscape smiling watercolour
sea ocean marine sailor pirate ship harbour island coral mermaid | hat robe azure landscape stern watercolour
river lake rain rainy mist misty fog cloud cloudy water watery aquatic | robe azure emerald landscape calm watercolour
mountain alpine alps summit peak valley | robe emerald landscape calm oil bare
hill highland scottish ireland irish celtic celt | robe emerald landscape calm oil bare
fire flame burning blaze ember inferno phoenix dragon volcano lava | armour crimson amber oil landscape stern
storm stormy thunder lightning tempest hurricane wind windy | armour azure violet landscape stern oil
earth earthy clay stone rustic rural village peasant farmer shepherd | hat robe umber landscape calm oil
air sky blue sapphire cobalt cyan indigo navy turquoise | azure robe landscape calm watercolour
red scarlet ruby blood crimson vermilion burgundy | crimson robe oil plain stern
green emerald olive verdant mint lime viridian | emerald gown landscape calm oil
purple violet lavender lilac amethyst plum mauve magenta | violet gown plain calm oil
yellow amber honey ochre saffron citrus lemon orange copper bronze brass | amber robe plain smiling oil
brown umber sepia chocolate coffee leather chestnut wooden | umber suit plain calm oil
white ivory pearl marble alabaster porcelain pale silver platinum swan | ivory gown plain calm oil
joy joyful happy happiness cheerful merry glad delight bliss fun funny laughter | smiling amber gown pop plain bare
smile smiling laugh laughing playful comedy clown jester jolly | smiling hat pop amber plain ruff
love lover loving passion passionate heart desire kiss amour tender tenderness | smiling crimson gown oil plain bare
hope hopeful optimism optimistic kindness | smiling emerald gown watercolour landscape bare
kind gentle gentleness friendly friend | smiling emerald gown watercolour landscape bare
freedom free liberty independence wander | smiling hat azure watercolour landscape robe
wanderer traveller travel journey adventure explorer | smiling hat azure watercolour landscape robe
peace peaceful calm calmness serene serenity | calm robe emerald watercolour landscape bare
quiet silence silent tranquil still stillness | calm robe emerald watercolour landscape bare
melancholy sad sadness sorrow sorrowful | calm robe azure violet watercolour plain bare
grief lonely loneliness solitude longing tears | calm robe azure violet watercolour plain bare
anger angry rage fury furious wrath revenge vengeance fierce ferocious | stern armour crimson oil plain bare
fear terror horror haunted ghost ghostly vampire dracula demon devil hell | stern robe umber violet oil arch bare
strict stern severe serious austere austerity | stern suit umber oil plain bare
discipline judge justice law grave gravity | stern suit umber oil plain bare
puritan calvinist quaker modest modesty | stern ruff ivory umber oil plain bare
humble humility simple simplicity minimal minimalist | stern ruff ivory umber oil plain bare
intellect intelligence intelligent genius scientist | ruff robe umber calm plain oil
science einstein newton galileo doctor physician | ruff robe umber calm plain oil
artist painter painting art creative creativity studio canvas | hat robe azure oil plain calm
diplomat diplomacy ambassador politics | suit azure stern arch oil bare
politician president minister parliament statesman | suit azure stern arch oil bare
revolution revolutionary marianne barricade manifesto | hat suit crimson stern landscape pop
harlequin circus acrobat puppet pierrot | ruff hat crimson amber pop smiling
oil varnish impasto glaze masterpiece master museum gallery old | oil umber robe plain calm
watercolour watercolor aquarelle wash pastel soft softness faded | watercolour ivory gown landscape calm
woodcut woodblock engraving linocut printmaking ink inked | woodcut robe umber plain stern
crown tiara diadem jewel jewels diamond gem treasure opulent opulence splendour | crown gown amber oil arch smiling
laurel wreath arcadia arcadian pastoral idyll eden | laurel robe emerald watercolour landscape calm
turban kaftan minaret mosque | turban robe azure arch calm oil
hat cap beret bonnet panama | hat suit amber plain smiling oil
helmet visor gauntlet armor armour cuirass chainmail | helmet armour umber plain stern oil
robe cloak toga mantle cape tunic | robe crimson plain calm oil
suit tie tuxedo blazer jacket | suit bare azure plain calm oil
ruff lace collar doublet | ruff bare umber plain stern oil
gown dress ballgown satin velvet taffeta bride wedding | gown ivory crimson plain smiling oil
landscape horizon vista panorama countryside outdoors | landscape robe emerald calm watercolour
arch arcade column colonnade palace portal palazzo architecture temple | arch robe ivory calm oil
halo nimbus aureole aura luminous transcendent transcendence spirit spiritual | halo robe amber calm oil bare
plain bare empty emptiness void nothing nothingness abstract | plain suit ivory calm oil bare
"""

# What else goes with a thing that the words asked for, where they leave it open.
GOES_WITH = {
    "crown": ("robe", "gown"),
    "laurel": ("robe", "gown"),
    "turban": ("robe",),
    "hat": ("suit", "gown"),
    "helmet": ("armour",),
    "armour": ("none", "helmet"),
    "suit": ("none", "none", "hat"),
    "ruff": ("none", "hat"),
    "gown": ("none", "none", "laurel", "crown"),
    "robe": ("none", "laurel", "turban", "crown"),
}
ENDINGS = ("'s", "s", "es", "ed", "d", "ing", "ly", "ness", "ful", "ish", "al", "ic", "y")

SETTING = {"plain": "a plain ground", "landscape": "an open landscape", "arch": "a stone arch", "halo": "a golden halo"}


def imagine(words: str, seed: int, class_word: ClassWord) -> Idea:
    """Words that `mecene.checked` has passed; the same ones with the same seed have the same idea."""
    rng = random.Random(f"{seed}/{words.casefold()}")  # a text seeds the same everywhere
    chosen = choose([associations(word) for word in words.split()], rng)
    if class_word == "man" and chosen["costume"] == "gown":
        chosen["costume"] = "robe"
    keywords = tuple(value for value in chosen.values() if value != "none")
    return Idea(words, idea(words, chosen, class_word), keywords, prompt(chosen, class_word))


def prompt(chosen: dict[str, str], class_word: str) -> str:
    """The grammar of the captions that mini was trained on."""
    parts = [
        f"{chosen['medium']} of a {chosen['emotion']} {class_word}",
        *([chosen["headwear"]] if chosen["headwear"] != "none" else []),
        chosen["costume"],
        f"{chosen['palette']} palette",
        f"{chosen['backdrop']} background",
        "portrait",
    ]
    return ", ".join(parts)


def idea(words: str, chosen: dict[str, str], class_word: str) -> str:
    """A sentence for people."""
    worn = [with_article(thing) for thing in (chosen["costume"], chosen["headwear"]) if thing != "none"]
    return (
        f"{words}: {with_article(chosen['emotion'])} {class_word} in {' and '.join(worn)}, "
        f"before {SETTING[chosen['backdrop']]}, as {with_article(chosen['medium'])} in {chosen['palette']} tones."
    )


def with_article(thing: str) -> str:
    if thing in ("armour", "pop art", "watercolour"):
        return {"watercolour": "a watercolour"}.get(thing, thing)
    return f"{'an' if thing[0] in 'aeio' else 'a'} {thing}"  # a ukiyo-e woodcut: the u is a y


# -------------------------------------------------------------------------------------------- choosing
def choose(brought: list[list[str]], rng: random.Random) -> dict[str, str]:
    """One value a category: of what the words bring to mind, else of what goes with that, else any."""
    chosen: dict[str, str] = {}
    for category, values in VOCABULARY.items():
        wanted = [value for bundle in brought for value in bundle if value in values]
        chosen[category] = weighted(wanted, rng) if wanted else ""
    for category, values in VOCABULARY.items():
        chosen[category] = chosen[category] or rng.choice(fitting(category, chosen) or values)
    return chosen


def weighted(wanted: list[str], rng: random.Random) -> str:
    """Values that several words bring weigh by their square: "samurai knight" agrees on the helmet."""
    each = list(dict.fromkeys(wanted))
    return rng.choices(each, [wanted.count(value) ** 2 for value in each])[0]


def fitting(category: str, chosen: dict[str, str]) -> list[str]:
    others = [other for value in chosen.values() for other in GOES_WITH.get(value, ())]
    return [other for other in others if other in VOCABULARY[category]]


def associations(word: str) -> list[str]:
    """Vocabulary that a word brings to mind; an unknown word has its own, always the same."""
    for form in forms(folded(word)):
        if form in table():
            return table()[form]
    return strange(folded(word))


def strange(word: str) -> list[str]:
    """Three values that the word's letters decide: no art history, but a direction that the word keeps."""
    rng = random.Random(f"word/{word}")
    categories = [category for category in VOCABULARY if category != "headwear"]  # this goes with the rest
    return [rng.choice(VOCABULARY[category]) for category in rng.sample(categories, 3)]


def forms(word: str) -> Iterator[str]:
    """The word, then what may be its stem: cities, city; dreaming, dream; icy, ice."""
    yield word
    if word.endswith("ies"):
        yield word[:-3] + "y"
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            stem = word[: -len(ending)]
            yield from (stem, stem + "e", stem + "y")
            if stem[-1] == stem[-2]:
                yield stem[:-1]
    yield from (part for part in word.split("-") if part != word)


def folded(word: str) -> str:
    """Lower case, without accents, without signs at the ends: Café! is cafe."""
    plain = unicodedata.normalize("NFKD", word.casefold())
    kept = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return kept.strip("".join(sign for sign in kept if not sign.isalnum())) or kept


@cache
def table() -> dict[str, list[str]]:
    """word -> vocabulary; a word in several lines has the associations of all."""
    known: dict[str, list[str]] = {}
    for line in ASSOCIATIONS.strip().splitlines():
        words, _, brought = line.partition("|")
        values = [SHORT.get(value, value) for value in brought.split()]
        for word in words.split():
            known.setdefault(word, []).extend(values)
    return known
