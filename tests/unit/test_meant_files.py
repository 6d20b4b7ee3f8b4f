"""Which videos a request about whole videos means: those of the topic that it names, or all."""

from __future__ import annotations

import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded import multilingual
from ray_jobs.engines.embedded.extractive.meant_files import MAX_FILES, called, of_meant_files, spelt
from ray_jobs.engines.embedded.extractive.question import Question

FILES = {
    "clip_0017.mp4": [
        "Wet the clay and centre it on the wheel.",
        "Fire the bowl at a thousand degrees, then glaze it.",
    ],
    "clip_0018.mp4": [
        "Loosen the wheel nuts before you lift the car.",
        "Tighten them crosswise once the new tyre is on.",
    ],
    "clip_0019.mp4": [
        "Sheep are shorn once a year, in early summer.",
        "The fleece is washed, carded and spun into yarn.",
    ],
    "clip_0020.mp4": [
        "The ferry leaves the harbour at seven.",
        "From the deck you see the lighthouse and the two islands.",
    ],
}


def told(question: str, language: str, files: dict[str, list[str]] = FILES) -> set[str]:
    query = multilingual.query_vector(question)
    sources = [
        pb.Source(
            number=number,
            file_id=name,
            filename=name,
            passages=[
                pb.Passage(kind="speech", text=text, score=float(multilingual.passage_vector(text) @ query))
                for text in texts
            ],
        )
        for number, (name, texts) in enumerate(files.items(), 1)
    ]
    return {source.file_id for source in of_meant_files(Question(question, "whole", language), sources)}


@pytest.mark.parametrize(
    ("language", "question", "file"),
    [
        ("en", "Summarise the video about pottery.", "clip_0017.mp4"),
        ("de", "Fasse das Video über den Reifenwechsel zusammen.", "clip_0018.mp4"),
        ("fr", "Résume la vidéo où l'on fait de la poterie.", "clip_0017.mp4"),
        ("es", "Resume el vídeo del viaje en barco.", "clip_0020.mp4"),
        ("zh", "请总结一下讲换轮胎的那个视频。", "clip_0018.mp4"),
    ],
)
def test_a_request_that_names_a_topic_means_the_video_of_it(language: str, question: str, file: str) -> None:
    assert told(question, language) == {file}


@pytest.mark.parametrize(
    ("language", "question"),
    [
        ("en", "What are these recordings about? Keep it short."),
        ("de", "Gib mir einen Überblick über alle Clips."),
        ("pt", "Faça um resumo de tudo em três tópicos."),
        ("ja", "動画の内容を全部まとめてください。"),
    ],
)
def test_a_request_that_names_no_topic_means_all(language: str, question: str) -> None:
    assert told(question, language) == FILES.keys()


def test_what_a_file_is_called_says_that_it_is_meant() -> None:
    files = {"weekly_meeting.mp4": ["The budget was raised."], "clip_1.mp4": ["We talked of the meeting."]}
    assert told("Please summarise the meeting.", "en", files) == {"weekly_meeting.mp4"}


def test_an_umlaut_may_be_written_without_in_a_name() -> None:
    files = {
        "gefluegelhof_kuehn.mp4": ["Um sechs wird gefüttert, danach werden die Eier geholt."],
        "wochenmarkt.mp4": ["Am Samstag steht der Wagen um sieben neben der Kirche."],
        "neuer_stall.mp4": ["Das Dach ist dicht, jetzt fehlen noch die Türen."],
    }
    assert told("Fass das Video vom Geflügelhof Kühn zusammen.", "de", files) == {"gefluegelhof_kuehn.mp4"}
    assert spelt("gefluegelhof_kuehn.mp4") == "gefluegelhof kuehn geflugelhof kuhn"
    assert spelt("wochenmarkt.mp4") == "wochenmarkt"


def test_a_request_for_several_means_all_that_are_of_its_topic() -> None:
    files = {
        "clip_1.mp4": ["Let the onions brown slowly in butter before the broth is added to the soup."],
        "clip_2.mp4": ["Warm the broth and stir the miso into the soup."],
        "clip_3.mp4": ["Loosen the wheel nuts before you lift the car."],
        "clip_4.mp4": ["The ferry leaves the harbour at seven."],
    }
    assert told("Summarise the videos about soups.", "en", files) == {"clip_1.mp4", "clip_2.mp4"}


def test_a_request_in_no_file_s_words_is_told_all_rather_than_the_wrong_one() -> None:
    alike = {f"clip_{number}.mp4": ["Good evening.", "That was all for today."] for number in range(3)}
    assert told("Summarise the video about glaciers.", "en", alike) == alike.keys()


def test_of_many_files_the_likeliest_are_looked_at() -> None:
    many = {f"walk_{number}.mp4": [f"Mile {number} of the path along the river."] for number in range(MAX_FILES)}
    assert told("Summarise the video about pottery.", "en", many | FILES) == {"clip_0017.mp4"}


def test_a_file_is_called_by_the_words_of_its_name() -> None:
    assert [called(name) for name in ("onion_soup.v2.mp4", "tides", "(3).mov")] == ["onion soup v2", "tides", "3"]


def test_what_is_read_for_one_tenant_is_remembered_for_it_alone() -> None:
    text = "The kiln is from 1974, and nobody else has one."
    before = multilingual._passage_vector.cache_info()
    for tenant in ("one", "two", "one"):
        with multilingual.asked_by(tenant):
            multilingual.passage_vector(text)
    after = multilingual._passage_vector.cache_info()
    assert (after.misses - before.misses, after.hits - before.hits) == (2, 1)
    assert after.maxsize == multilingual.MAX_PASSAGES
