"""Words of a question about entities: tokens, word forms, numbers, and what is commonly meant by what."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"[\"“](?P<quoted>[^\"”]{1,200})[\"”]|(?P<date>\d{4}-\d\d-\d\d)|(?P<money>[$€£]\s?\d[\d,]*(?:\.\d+)?)"
    r"|(?P<number>\d[\d,]*(?:\.\d+)?)(?=(?P<plus>\+)?)|(?P<word>[^\W\d_][\w'’\-]*)|(?P<mark>[<>]=?|[,;?.!:])"
)

NUMBERS = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen twenty".split()
    )
} | {"a": 1, "once": 1, "twice": 2, "dozen": 12, "thirty": 30, "forty": 40, "fifty": 50, "hundred": 100}

MONTHS = {
    name: number
    for number, name in enumerate(
        "january february march april may june july august september october november december".split(), 1
    )
}
MONTHS |= {name[:3]: number for name, number in MONTHS.items() if name != "may"}

# Words that a question has for its grammar alone: leaving them unread changes nothing of what is asked.
FILLERS = frozenset(
    """a an the of in is are was were be been being am do does did done have has had having with that which who whose whom
    to for all any these those this my me we our you your us i please there here and on at by from it its their they them
    can could would give gave given gives tell show shows shown showing list name find what how many much as into
    say says said one ones available altogether overall exist exists cover covers covered covering mention mentions
    mentioned about discuss discusses discussed feature features featured featuring include includes included including
    contain contains contained containing talk talks deal deals treat treats make makes made get gets got receive receives
    received use uses used take takes took happen happens happened appear appears appeared occur occurs occurred come comes came
    go goes went lasted lasts
    see seen let know set out so if then also just various number count among amongst""".split()
)
NEGATIONS = frozenset(
    "not no never without non n't isn't aren't wasn't weren't don't doesn't didn't haven't hasn't excluding except".split()
)

# Words that may stand for each other where a collection is named or described by one of them.
KINDS = tuple(
    frozenset(words.split())
    for words in (
        "lecture talk presentation lesson class course seminar",
        "trip tour travel vlog journey",
        "recipe cooking cookery",
        "match game",
        "review test",
        "episode show broadcast programme program series",
        "film movie",
        "interview conversation podcast",
    )
)
CURRENCIES = tuple(map(frozenset, (("usd", "dollar", "buck", "$"), ("eur", "euro", "€"), ("gbp", "pound", "£"))))

# What "scored" adds nothing to; alone it says which events are meant, and that is not known here.
SCORES = frozenset("goal point try run penalty touchdown basket".split())
LIGHT = frozenset("score scores scored scoring".split())

# What a column may be called, and the words that speak of it. The first group is matched against the column's name.
CONCEPTS: tuple[tuple[frozenset[str], frozenset[str]], ...] = tuple(
    (frozenset(names.split()), frozenset(words.split()))
    for names, words in (
        ("price cost usd eur fee amount", "price cost expensive cheap pricey dollar dollars euro euros"),
        ("weight mass grams kg", "weigh weight heavy light gram grams kilogram kilograms kg"),
        ("rating rate score stars grade", "rated rating star stars score scored grade graded"),
        ("duration length runtime", "duration length long short run runtime minutes hours seconds"),
        ("attendee attendance audience crowd spectator viewer", "attend attended attendance audience crowd people "
         "spectators viewers"),
        ("speaker presenter lecturer host instructor teacher", "who by give gave given speak speaks present presented "
         "teach teaches taught hosted lecturer speaker presenter instructor teacher host professor"),
        ("reviewer critic", "who by reviewed reviewer critic"),
        ("author writer", "who by wrote written author writer"),
        ("player scorer athlete", "who by scorer player"),
        ("chef cook", "who by cook cooked chef"),
        ("director", "who by directed director"),
        ("person name guest people", "who people persons guest guests"),
        ("location place venue city country", "where place venue location"),
        ("date recorded published released held aired day", "when date"),
        ("topic subject theme keyword tag", "about cover covers covered covering topic subject theme mention mentions "
         "mentioned discuss discussed deal deals concerning on"),
        ("pro advantage strength", "praise praised praises like liked likes advantage advantages strength strengths plus"),
        ("con disadvantage weakness drawback", "criticise criticised criticises criticize criticized criticizes complain "
         "complains complained complaint complaints disadvantage disadvantages drawback drawbacks weakness weaknesses "
         "dislike disliked downside downsides fault faulted"),
        ("category type kind genre", "kind kinds type types sort sorts category categories genre genres"),
        ("brand maker manufacturer company", "brand brands maker makers manufacturer manufacturers company companies by from"),
        ("language", "language languages in spoken"),
        ("level difficulty", "level levels difficulty difficulties"),
        ("team club side", "team teams club clubs side sides for by"),
        ("page slide", "slide slides page pages"),
    )
)  # fmt: skip

# Adjectives that compare: (words of the column that they are about, whether they mean much of it).
ADJECTIVES: dict[str, tuple[str, bool]] = {
    "long": ("duration", True), "short": ("duration", False), "cheap": ("price", False), "expensive": ("price", True),
    "pricey": ("price", True), "costly": ("price", True), "heavy": ("weight", True), "light": ("weight", False),
    "old": ("date", False), "new": ("date", True), "late": ("date", True), "early": ("date", False),
    "recent": ("date", True), "good": ("rating", True), "bad": ("rating", False),
    "tall": ("height", True), "fast": ("speed", True), "slow": ("speed", False),
}  # fmt: skip
FORMS = {
    "longer": "long", "longest": "long", "shorter": "short", "shortest": "short", "cheaper": "cheap",
    "cheapest": "cheap", "heavier": "heavy", "heaviest": "heavy", "lighter": "light", "lightest": "light",
    "older": "old", "oldest": "old", "newer": "new", "newest": "new", "later": "late", "latest": "late",
    "earlier": "early", "earliest": "early", "better": "good", "best": "good", "worse": "bad", "worst": "bad",
    "taller": "tall", "tallest": "tall", "faster": "fast", "fastest": "fast", "slower": "slow", "slowest": "slow",
    "priciest": "pricey", "pricier": "pricey", "costliest": "costly",
}  # fmt: skip
EXTREMES = {
    "highest": True, "greatest": True, "largest": True, "biggest": True, "maximum": True, "max": True, "most": True,
    "top": True, "lowest": False, "smallest": False, "minimum": False, "min": False, "least": False, "fewest": False,
    "maximal": True, "minimal": False,
}  # fmt: skip

_ENDINGS = "ations ation ments ment ings ing ised ized ises izes ise ize ers ees ors er ee or ed es s e ly".split()


@dataclass
class Token:
    """`is_read` once something of the plan stands for it."""

    text: str
    word: str  # lower case
    kind: str  # word, number, money, date, quoted, mark
    is_capital: bool = False
    number: float | None = None
    is_read: bool = False
    forms: tuple[str, str] = field(default=("", ""))  # singular, stem


def tokens(question: str) -> list[Token]:
    found: list[Token] = []
    plain = re.sub(r"\b[Nn]on-(?=\w)", "non ", question.replace("’", "'"))
    for match in _TOKEN.finditer(plain):
        kind = str(match.lastgroup if match.lastgroup != "plus" else "number")
        text = match["quoted"] if kind == "quoted" else match[0]
        word = text.lower()
        number = None
        if kind in ("number", "money"):
            number = float(re.sub(r"[^\d.]", "", text))
            if match["plus"]:
                kind = "plus"
        elif kind == "word":
            word = word.removesuffix("'s").rstrip("'")
            # A name that only an apostrophe or a hyphen joins to another word is one word still.
            number = NUMBERS.get(word) if word not in ("a", "once", "twice") else None
        is_capital = kind == "word" and text[0].isupper() and bool(found) and found[-1].word not in ("?", ".", "!")
        found.append(Token(text, word, kind, is_capital, number, forms=(singular(word), stem(word))))
    return found


def singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ses", "xes", "ches", "shes", "zes")) and not word.endswith(("uses", "ases")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def stem(word: str) -> str:
    """The word without its commonest English ending: "scored" and "scores" are "scor"."""
    word = singular(word)
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 4 and not word.endswith("ss"):
            return word[: -len(ending)]
    return word


def words_of(name: str) -> list[str]:
    """Of a column's name: has_code, hasCode and "has code" alike."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word for word in re.split(r"[^a-z0-9]+", spaced.lower()) if word]
