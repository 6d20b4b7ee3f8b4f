"""The states of tokens, beside the vectors that the package itself makes of the same weights."""

from __future__ import annotations

import numpy as np
import pytest

from ray_jobs.engines.embedded import multilingual
from ray_jobs.engines.embedded.token_states import (
    LAYERS,
    MAX_REMEMBERED,
    MAX_TOKENS,
    Reader,
    Remembered,
    States,
    passage_states,
    question_states,
    reader,
)

TEXTS = (
    "The dome was opened at half past nine, an hour later than planned.",
    "Où le miroir a-t-il été caché ?",
    "Wie hoch ist der Turm, und wer hat ihn gebaut?",
    "望远镜是１９２７年在耶拿建造的。",
    "それはいつ建てられましたか。㎏ ﬁne",
    "  Tickets\nAdults: 12   Children: 5 😀 x\0y",
    "",
)


@pytest.fixture(scope="module")
def whole() -> Reader:
    """With all layers, as the package has them."""
    return Reader(12)


@pytest.mark.parametrize("queries", [True, False])
def test_all_layers_give_the_vectors_of_the_package(whole: Reader, queries: bool) -> None:
    theirs = multilingual.MultilingualEmbedder().embed(TEXTS, queries=queries)
    for states, vector in zip(whole.states(TEXTS, queries=queries), theirs, strict=True):
        pooled = states.values.astype(np.float32).mean(axis=0)
        assert pooled @ vector / np.linalg.norm(pooled) >= 0.999


def test_a_text_is_cut_into_the_tokens_of_the_package(whole: Reader) -> None:
    for text in TEXTS:
        read = whole.states([text])[0]
        assert len(read.values) == multilingual.model().token_count(multilingual.readable(text))


def test_a_text_reads_the_same_among_others() -> None:
    together = reader().states([*TEXTS, "word " * 200])
    for text, states in zip(TEXTS, together, strict=False):
        assert np.allclose(states.values, reader().states([text])[0].values, atol=0.02)


def test_of_a_long_text_the_beginning_is_read() -> None:
    assert len(reader().states(["house " * 400])[0].values) == MAX_TOKENS + 2


def test_marks_and_prefix_are_nothing_rare_and_a_rare_word_is_rarer_than_a_frequent_one() -> None:
    first = len(question_states("the").rarity) - 2
    rarity = question_states("the theodolite").rarity
    assert not rarity[:first].any() and rarity[-1] == 0
    assert 0 < rarity[first] < rarity[first + 1 : -1].max()


def test_what_is_remembered_is_what_was_read() -> None:
    kept = Remembered()
    first = kept.of("one", TEXTS)
    assert [again is before for again, before in zip(kept.of("one", TEXTS), first, strict=True)] == [True] * len(TEXTS)


def test_what_one_tenant_had_read_is_not_known_of_another() -> None:
    kept = Remembered()
    mine, theirs = kept.of("one", TEXTS[:1])[0], kept.of("two", TEXTS[:1])[0]
    assert mine is not theirs and np.array_equal(mine.values, theirs.values)


def test_what_was_asked_for_longest_ago_is_forgotten_first() -> None:
    size = {text: reader().states([text])[0].size for text in TEXTS[:3]}
    kept = Remembered(most=sum(size.values()) - 1)
    first, second = (kept.of("one", [text])[0] for text in TEXTS[:2])
    kept.of("one", TEXTS[:1])  # asked for again
    kept.of("one", TEXTS[2:3])
    assert kept.size <= sum(size.values()) - 1
    assert kept.of("one", TEXTS[:1])[0] is first
    assert kept.of("one", TEXTS[1:2])[0] is not second


def test_more_than_is_remembered_is_read_all_the_same() -> None:
    kept = Remembered(most=1)
    assert len(kept.of("one", TEXTS)) == len(TEXTS) and kept.size == 0


def test_passages_are_remembered_for_the_tenant_that_asks() -> None:
    def read(tenant_id: str) -> States:
        with multilingual.asked_by(tenant_id):
            return passage_states(["A passage of this test alone."])[0]

    assert read("one") is read("one") and read("one") is not read("two")


def test_the_reader_of_the_process_runs_eight_layers_and_keeps_a_bounded_share() -> None:
    assert LAYERS == 8 and MAX_REMEMBERED < 64 << 20
    assert reader() is reader()
