"""Learns the forms of questions, and what numbers they ask for, from forms.json, measures.json, followups.json and shown.json,
and which questions ask for whole videos, and whether they say which, from topics/ and evidence_questions/ too.

    python -m training.forms          # writes ray_jobs/engines/embedded/extractive/forms.npz

Each example is tried with several topics, so that what a question is about says little of its form. The figures are of unseen
phrasings, in five folds: no phrasing is judged by a model that has seen it with another topic.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from ray_jobs.engines.embedded.extractive.forms import WEIGHTS, question_vectors
from training.evidence_examples import collections
from training.topics import topics

EXAMPLES = Path(__file__).with_name("forms.json")
MEASURES = Path(__file__).with_name("measures.json")  # questions for a number, by what it measures
FOLLOWUPS = Path(__file__).with_name("followups.json")  # questions that lean on what was said before them
SHOWN = Path(__file__).with_name("shown.json")  # questions for what a chart or a sign shows
SEVERAL = Path(__file__).with_name("several.json")  # requests about the video, and about the videos, on a topic
TOPICS_PER_EXAMPLE = 3
FOLDS = 5
CARRIERS = Path(__file__).parents[1] / "services/core/carriers.json"
CARRIER_PHRASINGS = 3
REGULARISATION = 30.0  # C of the logistic regression: best of 3, 30 and 300 by the folds


@dataclass(frozen=True)
class Example:
    language: str
    form: str  # empty: the form is no matter
    leans: bool  # on the conversation before it
    phrasing: int  # number of the example that it was made from
    text: str
    measure: str = ""  # of the number that is asked for
    mentions: str = (
        ""  # "True" where it is asked whether something is said or shown at all; "" of other forms than yes_no
    )
    topical: str = ""  # "True" where a request about whole videos, or for what is shown, says which it means
    shown: str = (
        ""  # "figures" of a chart or a table, "lettering" of a sign or a slide, "neither"; "" where it is no matter
    )


def examples() -> Iterator[Example]:
    """Those of forms.json stand alone; those of followups.json don't, and like those of measures.json and shown.json
    teach nothing about forms."""
    forms = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    followups = json.loads(FOLLOWUPS.read_text(encoding="utf-8"))
    topics = {language: every.pop("topics") for language, every in forms.items()}
    measures = json.loads(MEASURES.read_text(encoding="utf-8"))
    written = [
        (language, form, "", text)
        for language, every in forms.items()
        for form, texts in every.items()
        for text in texts
    ]
    written += [
        (language, "", measure, text)
        for language, every in measures.items()
        for measure, texts in every.items()
        for text in texts
    ]
    written += [(language, "", "", text) for language, texts in followups.items() for text in texts]
    lot = random.Random(7)
    shown = json.loads(SHOWN.read_text(encoding="utf-8"))
    for phrasing, (language, form, measure, text) in enumerate(written):
        for _ in range(TOPICS_PER_EXAMPLE if "{x}" in text else 1):
            first, second = lot.sample(topics[language], 2)
            asked = text.replace("{x}", first).replace("{y}", second)
            topical = str("{x}" in text) if form in ("whole", "each") else ""
            mentions = str(form == "mentions") if form in ("mentions", "yes_no") else ""
            told = "yes_no" if mentions else form
            of_shown = form in ("what", "list") and not any(text in texts for texts in shown[language].values())
            yield Example(
                language,
                told,
                not (form or measure),
                phrasing,
                asked,
                measure,
                mentions,
                topical,
                "neither" if of_shown else "",
            )
    asking = [
        (language, kind, text) for language, every in shown.items() for kind, texts in every.items() for text in texts
    ]
    for phrasing, (language, kind, text) in enumerate(asking, len(written)):
        for _ in range(TOPICS_PER_EXAMPLE if "{x}" in text else 1):
            asked = text.replace("{x}", lot.choice(topics[language]))
            yield Example(language, "", False, phrasing, asked, topical=str("{x}" in text), shown=kind)


def main() -> None:
    made = list(examples())
    vectors = question_vectors([item.text for item in made])
    forms = np.array([item.form for item in made])
    languages = np.array([item.language for item in made])
    measures = np.array([item.measure for item in made])
    folds = np.array([item.phrasing * 2_654_435_761 % 97 % FOLDS for item in made])
    mean = vectors.mean(axis=0)
    print(f"{len(made)} examples of {len({item.phrasing for item in made})} phrasings; of unseen phrasings are told:")
    learned = {"mean": mean.astype(np.float32)}
    leaning = np.array([str(item.leans) for item in made])
    for what, classes in (
        ("forms", forms),
        ("languages", languages),
        ("leaning", leaning),
        ("measures", measures),
        ("mentions", np.array([item.mentions for item in made])),
        ("shown", np.array([item.shown for item in made])),
    ):
        learned |= _learned(what, vectors - mean, classes, folds, (languages, forms, leaning, measures))
    asked = [(number, item) for number, collection in enumerate(topics()) for item in collection.asked]
    requests = question_vectors([item.text for _, item in asked]) - mean
    by_collection = np.array([number % FOLDS for number, _ in asked])
    every, folds_of_every = np.concatenate([vectors - mean, requests]), np.concatenate([folds, by_collection])
    in_languages = np.array([item.language for _, item in asked])
    groups = (
        np.concatenate([languages, in_languages]),
        np.concatenate([forms, ["says which" if item.means else "general" for _, item in asked]]),
    )
    topical = np.concatenate([[item.topical for item in made], [str(bool(item.means)) for _, item in asked]])
    learned |= _learned("topical", every, topical, folds_of_every, groups)
    factual = list(of_passages())
    others = question_vectors([text for _, text in factual]) - mean
    entire = np.concatenate([np.where(forms == "", "", (forms == "whole").astype(str)), np.full(len(asked), "True")])
    learned |= _learned(
        "entire",
        np.concatenate([every, others]),
        np.concatenate([entire, np.full(len(others), "False")]),
        np.concatenate([folds_of_every, [number % FOLDS for number, _ in factual]]),
        (np.concatenate([groups[1], np.full(len(others), "questions of evidence_questions")]),),
    )
    counted = list(of_several())
    several = np.concatenate(
        [
            [str(len(item.means) > 1) if item.means else "" for _, item in asked],
            [str(item.several) for item in counted],
        ]
    )
    learned |= _learned(
        "several",
        np.concatenate([requests, question_vectors([item.text for item in counted]) - mean]),
        several,
        np.concatenate([by_collection, [item.phrasing % FOLDS for item in counted]]),
        (np.concatenate([in_languages, [item.language for item in counted]]), several),
    )
    plain = np.array([item.form == "whole" and item.topical == "False" for item in made])
    for language in dict.fromkeys(languages):  # requests that do not say which videos they mean
        learned[f"plain_{language}"] = vectors[plain & (languages == language)].mean(axis=0).astype(np.float32)
    np.savez(WEIGHTS, **learned)
    CARRIERS.write_text(json.dumps(carriers(), ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    print(f"wrote {WEIGHTS.name} and {CARRIERS.name}")


def of_passages() -> Iterator[tuple[int, str]]:
    """(number of the collection, question) of topics/ and evidence_questions/: none of them asks for a whole video."""
    for number, topic in enumerate(topics()):
        yield from ((number, text) for text in topic.facts)
    for number, collection in enumerate(collections().values()):
        for asked in collection["ask"].values():
            for texts in asked.values():
                yield from ((number, text) for text in texts)


@dataclass(frozen=True)
class Counted:
    """A request about the videos on a topic. `several`: that means more than one."""

    language: str
    several: bool
    phrasing: int
    text: str


def of_several() -> Iterator[Counted]:
    topics_of = {name: every["topics"] for name, every in json.loads(EXAMPLES.read_text(encoding="utf-8")).items()}
    lot = random.Random(7)
    for language, every in json.loads(SEVERAL.read_text(encoding="utf-8")).items():
        for kind, texts in every.items():
            for phrasing, text in enumerate(texts):
                for topic in lot.sample(topics_of[language], TOPICS_PER_EXAMPLE):
                    yield Counted(language, kind == "several", phrasing, text.replace("{x}", topic))


def _learned(
    what: str,
    vectors: np.ndarray,
    classes: np.ndarray,
    folds: np.ndarray,
    groups: Sequence[np.ndarray],
) -> dict[str, np.ndarray]:
    """The weights that tell the classes, "" being none; prints how many of unseen phrasings are told, also by group."""
    told = np.empty(len(classes), dtype=object)
    used = classes != ""
    for fold in range(FOLDS):
        learned_from = used & (folds != fold)
        model = _fitted(vectors[learned_from], classes[learned_from])
        told[folds == fold] = model.predict(vectors[folds == fold])
    right = told == classes
    print(f"{what} {right[used].mean():.3f}")
    for values in groups:
        shares = {value: right[used & (values == value)] for value in dict.fromkeys(values)}
        print("  ", "  ".join(f"{value} {share.mean():.2f}" for value, share in shares.items() if len(share)))
    model = _fitted(vectors[used], classes[used])
    coefficients, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # one row tells both
        coefficients, bias = np.concatenate([-coefficients, coefficients]) / 2, np.concatenate([-bias, bias]) / 2
    return {
        what: model.classes_.astype("U16"),
        f"{what}_weights": coefficients.astype(np.float32),
        f"{what}_bias": bias.astype(np.float32),
    }


def carriers() -> dict[str, list[str]]:
    """By language, the words outside the topics that at least CARRIER_PHRASINGS examples are put in."""
    found = {}
    for language, forms in json.loads(EXAMPLES.read_text(encoding="utf-8")).items():
        texts = [text for form, texts in forms.items() if form != "topics" for text in texts]
        bare = [re.sub(r"\{[xy]\}|[^\w'’]", " ", text).casefold() for text in texts]
        if language in ("zh", "ja"):
            words = Counter(run for text in bare for run in {*_runs(text)})
        else:
            words = Counter(word for text in bare for word in {*text.split()})
        found[language] = sorted(
            word for word, count in words.items() if count >= CARRIER_PHRASINGS and not word.isdecimal()
        )
    return found


def _runs(text: str) -> Iterator[str]:
    """Every two and three letters that follow each other: there are no spaces to find words by."""
    for part in text.split():
        for size in (2, 3):
            yield from (part[start : start + size] for start in range(len(part) - size + 1))


def _fitted(vectors: np.ndarray, classes: np.ndarray) -> LogisticRegression:
    return LogisticRegression(C=REGULARISATION, max_iter=2_000, class_weight="balanced").fit(vectors, classes)


if __name__ == "__main__":
    main()
