"""From Whisper's tokens to words and utterances, without a model."""

from __future__ import annotations

from ray_jobs.engines.embedded.whisper.words import MAX_SECONDS, Piece, TimedToken, pieces, utterances


def tokens(count: int) -> list[TimedToken]:
    return [TimedToken(index, index * 0.2, index * 0.2 + 0.2) for index in range(count)]


def spelt(*parts: bytes):
    return lambda ids: b"".join(parts[id] for id in ids).decode(errors="replace")


def texts(words: list[Piece]) -> list[str]:
    return [word.text for word in words]


def test_tokens_of_a_word_are_joined_and_marks_belong_to_the_word_before() -> None:
    decode = spelt(b" The", b" tur", b"bines", b",", b" 24")
    words = pieces(tokens(5), decode, "en")
    assert texts(words) == [" The", " turbines,", " 24"]
    assert (words[1].start_time, round(words[1].end_time, 3)) == (0.2, 0.8)


def test_a_character_that_two_tokens_spell_is_whole() -> None:
    water = "水".encode()
    words = pieces(tokens(4), spelt("海".encode(), water[:2], water[2:], "。".encode()), "zh")
    assert texts(words) == ["海", "水。"]


def test_languages_without_blanks_have_none_in_their_utterances() -> None:
    words = pieces(tokens(3), spelt("海".encode(), "水".encode(), "。".encode()), "ja")
    (said,) = utterances(words)
    assert said.text == "海水。" and [word.word for word in said.words] == ["海", "水。"]


def said(*words: tuple[str, float, float]) -> list[str]:
    return [item.text for item in utterances([Piece(" " + text, start, end) for text, start, end in words])]


def test_an_utterance_ends_with_its_sentence_and_at_a_long_rest() -> None:
    assert said(("It", 0, 1), ("rises.", 1, 2), ("Then", 2, 3), ("falls", 5, 6)) == ["It rises.", "Then", "falls"]


def test_a_title_ends_no_sentence_unless_the_speaker_rests() -> None:
    assert said(("Mr.", 0, 0.3), ("Dashwood", 0.3, 1)) == ["Mr. Dashwood"]
    assert said(("no.", 0, 0.3), ("Dashwood", 0.6, 1)) == ["no.", "Dashwood"]


def test_a_long_sentence_is_cut_where_the_speaker_rests_and_no_word_is_lost() -> None:
    words = [Piece(f" w{index}", index * 0.5, index * 0.5 + (0.3 if index == 41 else 0.5)) for index in range(80)]
    found = utterances(words)
    assert all(item.end_time - item.start_time <= MAX_SECONDS for item in found)
    assert [word.word for item in found for word in item.words] == [f"w{index}" for index in range(80)]
    assert any(item.words[-1].word == "w41" for item in found)


def test_nothing_heard_is_no_utterance() -> None:
    assert utterances(pieces([], spelt(), "en")) == []
