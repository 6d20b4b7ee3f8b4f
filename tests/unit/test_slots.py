"""Questions about tables, from their words through DuckDB to the answer. A wrong number is worse than none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest

from ray_jobs.engines.embedded.extractive.slots.planner import queries
from services.nimbus.entities.catalog import empty_catalog
from services.nimbus.entities.sql import EntitySql
from services.nimbus.entities.tables import EntityTables
from tests.unit.slot_tables import DOMAINS, tables_of, tables_of_catalog

TODAY = date(2024, 6, 12)


@pytest.fixture(scope="module")
async def sql() -> AsyncIterator[EntitySql]:
    made = EntitySql(workers=1)
    yield made
    await made.close()


async def rows(sql: EntitySql, tables: EntityTables, question: str, language: str = "en") -> list[list[Any]] | None:
    """None where no query was planned."""
    planned, _ = queries(question, language, tables.described, today=TODAY)
    if not planned:
        return None
    return (await sql.query(tables.sql, planned[0].sql)).rows


OF_FILES: dict[str, list[tuple[str, Any]]] = {
    "en": [
        ("How many videos are there?", 5),
        ("How many of the clips have no speech?", 2),
        ("How many videos have speech but no on-screen text?", 1),
        ("Which videos are longer than two minutes?", {"market.mp4", "tower.mp4"}),
        ("Which recordings are silent?", {"cliff.mp4", "alley.mp4"}),
        ("What is the longest video?", {"tower.mp4"}),
        ("What are the two shortest clips?", {"alley.mp4", "cliff.mp4"}),
        ("Which file was added last?", {"alley.mp4"}),
        ("What is the total length of the videos?", 1008.5),
        ("What is the average length of the videos?", 201.7),
        ("How long is market.mp4?", 240.0),
        ("How many files were uploaded this week?", 2),
        ("Which videos were uploaded before March 2024?", {"harbour.mp4", "tower.mp4"}),
        ("How many videos have the camera Teo?", 3),
        ("How many clips are shorter than 90 seconds?", 2),
    ],
    "de": [
        ("Wie viele Videos gibt es?", 5),
        ("Wie viele Videos haben keine Sprache?", 2),
        ("Welches Video ist das längste?", {"tower.mp4"}),
        ("Welche Videos sind länger als zwei Minuten?", {"market.mp4", "tower.mp4"}),
        ("Wie lang sind alle Aufnahmen zusammen?", 1008.5),
        ("Wie lang ist market.mp4?", 240.0),
        ("Welche Datei wurde zuletzt hinzugefügt?", {"alley.mp4"}),
    ],
    "fr": [
        ("Combien y a-t-il de vidéos ?", 5),
        ("Combien de vidéos n'ont pas de parole ?", 2),
        ("Quelle est la vidéo la plus longue ?", {"tower.mp4"}),
        ("Quelles vidéos durent plus de deux minutes ?", {"market.mp4", "tower.mp4"}),
        ("Quelle est la durée totale des vidéos ?", 1008.5),
        ("Combien de temps dure market.mp4 ?", 240.0),
    ],
    "es": [
        ("¿Cuántos vídeos hay?", 5),
        ("¿Cuántos vídeos no tienen voz?", 2),
        ("¿Cuál es el vídeo más largo?", {"tower.mp4"}),
        ("¿Qué vídeos duran más de dos minutos?", {"market.mp4", "tower.mp4"}),
        ("¿Cuál es la duración total de los vídeos?", 1008.5),
        ("¿Cuánto dura market.mp4?", 240.0),
    ],
    "pt": [
        ("Quantos vídeos existem?", 5),
        ("Quantos vídeos não têm fala?", 2),
        ("Qual é o vídeo mais longo?", {"tower.mp4"}),
        ("Quais vídeos têm mais de dois minutos?", {"market.mp4", "tower.mp4"}),
        ("Qual é a duração total dos vídeos?", 1008.5),
        ("Quanto tempo dura market.mp4?", 240.0),
    ],
    "zh": [
        ("一共有多少个视频？", 5),
        ("有多少视频没有语音？", 2),
        ("最长的视频是哪个？", {"tower.mp4"}),
        ("哪些视频超过两分钟？", {"market.mp4", "tower.mp4"}),
        ("所有视频总共多长？", 1008.5),
        ("market.mp4有多长？", 240.0),
    ],
    "ja": [
        ("動画はいくつありますか？", 5),
        ("音声のない動画はいくつありますか？", 2),
        ("一番長い動画はどれですか？", {"tower.mp4"}),
        ("二分より長い動画はどれですか？", {"market.mp4", "tower.mp4"}),
        ("動画の合計時間はどれくらいですか？", 1008.5),
        ("market.mp4の長さはどれくらいですか？", 240.0),
    ],
}


def told(found: list[list[Any]] | None, expected: Any) -> Any:
    """The names that rows begin with, the count that the row begins with, or the value that it ends with."""
    if found is None:
        return None
    if isinstance(expected, set):
        return {row[0] for row in found}
    return found[0][0 if isinstance(expected, int) else -1]


@pytest.mark.parametrize(
    ("language", "question", "expected"),
    [(language, *item) for language, items in OF_FILES.items() for item in items],
)
async def test_what_the_database_knows_of_files(sql: EntitySql, language: str, question: str, expected: Any) -> None:
    found = await rows(sql, tables_of_catalog(), question, language)
    answer = told(found, expected)
    assert answer == (pytest.approx(expected) if isinstance(expected, float) else expected)


BY_LENGTH = ["alley.mp4", "cliff.mp4", "harbour.mp4", "market.mp4", "tower.mp4"]


@pytest.mark.parametrize(
    ("language", "question", "expected"),
    [
        ("en", "Sort the clips by duration, shortest first.", BY_LENGTH),
        ("en", "Order all recordings from longest to shortest.", BY_LENGTH[::-1]),
        ("en", "Sort the files by upload date.", ["tower.mp4", "harbour.mp4", "cliff.mp4", "market.mp4", "alley.mp4"]),
        ("en", "Sort the videos with speech by length, longest first.", ["market.mp4", "harbour.mp4"]),
        ("en", "Sort the videos by name.", ["alley.mp4", "cliff.mp4", "harbour.mp4", "market.mp4", "tower.mp4"]),
        ("de", "Sortiere die Videos nach Dauer.", BY_LENGTH[::-1]),
        ("de", "Sortiere die Videos nach Länge, das kürzeste zuerst.", BY_LENGTH),
        ("zh", "把视频从长到短排列。", BY_LENGTH[::-1]),
        ("fr", "Trie les vidéos de la plus courte à la plus longue.", BY_LENGTH),
        ("es", "Ordena los vídeos por duración.", BY_LENGTH[::-1]),
        ("pt", "Ordene os vídeos do mais curto ao mais longo.", BY_LENGTH),
        ("zh", "按时长给视频排序。", BY_LENGTH[::-1]),
        ("ja", "動画を短い順に並べてください。", BY_LENGTH),
    ],
)
async def test_videos_in_an_order(sql: EntitySql, language: str, question: str, expected: list[str]) -> None:
    found = await rows(sql, tables_of_catalog(), question, language)
    assert found is not None and [row[0] for row in found] == expected


@pytest.mark.parametrize(
    ("language", "question"),
    [
        ("en", "Which videos have neither speech nor on-screen text?"),
        ("de", "Welche Videos haben weder Sprache noch Text?"),
        ("fr", "Quelles vidéos n'ont ni parole ni texte ?"),
        ("es", "¿Qué vídeos no tienen ni voz ni texto?"),
        ("pt", "Quais vídeos não têm nem fala nem texto?"),
        ("zh", "哪些视频既没有语音也没有文字？"),
        ("ja", "音声も文字もない動画はどれですか？"),
    ],
)
async def test_what_has_neither_of_two(sql: EntitySql, language: str, question: str) -> None:
    found = await rows(sql, tables_of_catalog(), question, language)
    assert told(found, {"alley.mp4"}) == {"alley.mp4"}


@pytest.mark.parametrize(
    ("language", "question", "expected"),
    [
        ("en", "Which is the second longest video?", "market.mp4"),
        ("en", "What is the third shortest clip?", "harbour.mp4"),
        ("de", "Welches ist das zweitlängste Video?", "market.mp4"),
        ("fr", "Quelle est la deuxième plus longue vidéo ?", "market.mp4"),
        ("es", "¿Cuál es el segundo vídeo más largo?", "market.mp4"),
        ("pt", "Qual é o segundo vídeo mais longo?", "market.mp4"),
        ("zh", "第二长的视频是哪个？", "market.mp4"),
        ("ja", "二番目に長い動画はどれですか？", "market.mp4"),
        ("en", "Which video is the second newest?", "market.mp4"),
    ],
)
async def test_one_that_is_not_the_first_of_an_order(
    sql: EntitySql, language: str, question: str, expected: str
) -> None:
    found = await rows(sql, tables_of_catalog(), question, language)
    assert told(found, {expected}) == {expected}


@pytest.mark.parametrize(
    ("language", "question", "expected"),
    [
        ("en", "How many videos have subtitles?", 3),
        ("en", "How many videos in the library have text?", 2),
        ("en", "How many videos have speech or subtitles?", 4),
        ("de", "Wie viele Videos haben Untertitel?", 3),
        ("fr", "Combien de vidéos ont des sous-titres ?", 3),
        ("es", "¿Cuántos vídeos tienen subtítulos?", 3),
        ("pt", "Quantos vídeos têm legendas?", 3),
        ("zh", "有多少视频有字幕？", 3),
        ("ja", "字幕のある動画はいくつありますか？", 3),
    ],
)
async def test_subtitles_are_a_track_and_a_library_is_what_is_asked_of(
    sql: EntitySql, language: str, question: str, expected: int
) -> None:
    assert told(await rows(sql, tables_of_catalog(), question, language), expected) == expected


async def test_an_order_within_groups_is_not_planned(sql: EntitySql) -> None:
    assert await rows(sql, tables_of_catalog(), "Sort the videos of each collection by length.") is None


@pytest.mark.parametrize(
    ("language", "question", "expected"),
    [
        ("en", "How long is the shortest video?", 12.0),
        ("de", "Wie lang ist das kürzeste Video?", 12.0),
        ("en", "Do any videos last more than a minute?", {"harbour.mp4", "cliff.mp4", "market.mp4", "tower.mp4"}),
        ("en", "How many hours of video are there?", 1008.5),
        ("fr", "Combien d'heures de vidéo y a-t-il ?", 1008.5),
        ("pt", "Quantas horas de vídeo temos?", 1008.5),
        ("en", "When was the last video added?", {"alley.mp4"}),
        ("es", "¿En qué vídeos no habla nadie?", {"cliff.mp4", "alley.mp4"}),
        ("ja", "誰も話していない動画はどれですか？", {"cliff.mp4", "alley.mp4"}),
        ("zh", "有没有没有语音的视频？", {"cliff.mp4", "alley.mp4"}),
        ("zh", "这里有几个视频？", 5),
        ("ja", "ここに動画は何本ありますか？", 5),
        ("es", "¿Qué vídeos con voz duran más de un minuto?", {"harbour.mp4", "market.mp4"}),
        ("en", "How many videos have speech or on-screen text?", 3),
        ("en", "Which videos are without speech or text?", {"alley.mp4"}),
        ("de", "Wie viele Videos haben die Kamera Teo?", 3),
        ("en", "Which videos with a camera are longer than two minutes?", {"market.mp4", "tower.mp4"}),
    ],
)
async def test_lengths_and_times_and_words_of_metadata(
    sql: EntitySql, language: str, question: str, expected: Any
) -> None:
    answer = told(await rows(sql, tables_of_catalog(), question, language), expected)
    assert answer == (pytest.approx(expected) if isinstance(expected, float) else expected)


async def test_what_is_not_known_of_either_is_told_beside_a_count(sql: EntitySql) -> None:
    assert await rows(sql, tables_of_catalog(), "How many videos have speech or on-screen text?") == [[3, 1]]


@pytest.mark.parametrize(
    ("domain", "language", "question", "expected"),
    [
        ("workshop", "en", "How many videos are about a lathe?", 2),
        ("workshop", "en", "How many videos have more than 2 defects?", 2),
        ("workshop", "en", "How many videos are not under warranty?", 2),
        (
            "workshop",
            "en",
            "Which videos under warranty have more than 1 defects?",
            {"workshop_0.mp4", "workshop_3.mp4"},
        ),
        ("workshop", "en", "What is the average number of defects?", 2.75),
        ("workshop", "en", "Which videos cost less than 150 euros?", {"workshop_1.mp4", "workshop_3.mp4"}),
        ("workshop", "de", "Wie viele Videos gibt es von Petra Voss?", 2),
        ("workshop", "de", "Wie viele Videos haben eine defects über 2?", 2),
        ("birds", "en", "How many videos show wetland birds?", 2),
        ("birds", "en", "Which species has the largest wingspan?", {"heron"}),
        ("birds", "fr", "Combien de vidéos de Omar y a-t-il ?", 2),
        ("court", "en", "How many videos have the verdict guilty?", 2),
        ("court", "en", "What is the total fine?", 6200.0),
        ("court", "en", "How many videos were not appealed?", 2),
        ("greenhouse", "en", "How many videos have aphids?", 2),
        ("greenhouse", "en", "How many different plants are there?", 3),
        ("greenhouse", "es", "¿Cuántos vídeos hay de Yuki?", 2),
    ],
)
async def test_records_of_any_domain(sql: EntitySql, domain: str, language: str, question: str, expected: Any) -> None:
    answer = told(await rows(sql, tables_of(domain), question, language), expected)
    assert answer == (pytest.approx(expected) if isinstance(expected, float) else expected)


@pytest.mark.parametrize(
    ("language", "question", "expected"),
    [
        ("en", "How many of the crossings took place at night?", 2),
        ("en", "How many crossings were made in the dark?", 2),
        ("en", "Which crossing had the greatest distance?", {"crossings_1.mp4"}),
        ("en", "Which ferry had the most passengers?", {"Astrid"}),
        ("en", "Who inspected the Bente?", {"Ida Kvist"}),
        ("en", "Which ferries has Per Holm inspected?", {"Astrid", "Clara"}),
        ("en", "Which ferries did Mona Lind steer?", {"Astrid", "Bente"}),
        ("en", "How many kilometres did Ove Dahl go?", 12.0),
        ("en", "Who led the crew of the Clara?", {"Sven Gran"}),
        ("en", "Which ferry had to pay the highest toll?", {"Bente"}),
        ("en", "How many metres deep is the channel of the Clara?", 31.0),
        ("fr", "Qui a inspecté la Bente ?", {"Ida Kvist"}),
        ("es", "¿Qué ferries inspeccionó Per Holm?", {"Astrid", "Clara"}),
        ("de", "Wie viele Crossings fanden 2023 statt?", 2),
        ("fr", "Combien de crossings ont eu lieu en mars 2024 ?", 1),
        ("es", "¿Cuántos crossings hizo Mona Lind?", 2),
    ],
)
async def test_words_of_descriptions_and_other_forms_of_names_say_what_is_meant(
    sql: EntitySql, language: str, question: str, expected: Any
) -> None:
    assert told(await rows(sql, tables_of("crossings"), question, language), expected) == expected


@pytest.mark.parametrize(
    ("language", "question"),
    [
        ("fr", "Combien d'inspecteurs y a-t-il ?"),
        ("es", "¿Cuántos inspectores hay?"),
        ("de", "Wie alt ist Mona Lind?"),
        ("es", "¿Cuánto pesa Mona Lind?"),
    ],
)
async def test_a_word_of_another_language_is_no_other_property(sql: EntitySql, language: str, question: str) -> None:
    assert await rows(sql, tables_of("crossings"), question, language) in (None, [[2]])  # two inspectors


@pytest.mark.parametrize(
    "question",
    [
        "How old is Mona Lind?",
        "Who built the Bente?",
        "Who sold the Bente to Mona Lind?",
        "What did Mona Lind see?",
        "How many trips did Mona Lind make?",  # not those that were repeated
        "How many boats did Per Holm check?",
        "Which boats did Per Holm check?",
        "How many euros did Mona Lind earn?",
        "How much does Mona Lind weigh?",  # not what the cargo does
        "Which captain weighs the most?",
        "How tall is the Clara?",
        "Which crossing was the longest?",  # the video, or the time at sea
        "How long did Per Holm inspect?",
        "How many kilometres has Mona Lind been a captain?",
        "Which ferry is the oldest?",
        "Which ferry is the highest?",
        "How many notes did Mona Lind make?",  # no form of "not"
        "How many crossings were after lunch?",
    ],
)
def test_what_descriptions_only_seem_to_tell_is_not_answered(question: str) -> None:
    assert queries(question, "en", tables_of("crossings").described, today=TODAY) == ([], False)


@pytest.mark.parametrize(
    ("language", "question"),
    [
        ("en", "How many videos mention glaciers?"),
        ("en", "How many people are in the video?"),
        ("en", "How many videos show a red car?"),
        ("en", "What does the speaker say about the longest bridge?"),
        ("en", "Which video explains how tides work?"),
        ("de", "Wie viele Videos erwähnen Gletscher?"),
        ("fr", "Combien de vidéos parlent de glaciers ?"),
        ("es", "¿Cuántos vídeos hablan de glaciares?"),
        ("pt", "Quantos vídeos falam de geleiras?"),
        ("zh", "有多少视频提到冰川？"),
        ("ja", "氷河について話している動画はいくつありますか？"),
    ],
)
def test_a_word_without_its_place_in_the_table_means_no_query(language: str, question: str) -> None:
    assert queries(question, language, tables_of_catalog().described, today=TODAY) == ([], False)
    assert queries(question, language, [empty_catalog()], today=TODAY) == ([], False)


def test_a_collections_description_renames_nothing() -> None:
    assert queries("How many bolts are there?", "en", tables_of("birds").described, today=TODAY) == ([], False)


@pytest.mark.parametrize("question", ["How many videos have no speech?", "Which is the longest video?"])
def test_files_are_asked_of_without_knowing_what_they_are(question: str) -> None:
    planned, alone = queries(question, "en", [empty_catalog()], today=TODAY)
    assert alone and len(planned) == 1
    assert planned == queries(question, "en", tables_of_catalog().described, today=TODAY)[0]


async def test_counts_equal_those_of_the_records(sql: EntitySql) -> None:
    """Every value, flag and bound of every domain, asked in one form."""
    for domain, (_, records) in DOMAINS.items():
        tables = tables_of(domain)
        for name in records[0]:
            values = {value for record in records if isinstance(value := record[name], str) and "-" not in value}
            for value in values:
                found = await rows(sql, tables, f"How many videos have the {name} {value}?")
                assert found is None or found[0][0] == sum(record[name] == value for record in records), (name, value)
                assert found is not None, f"{domain}: {name} {value}"
            numbers = [record[name] for record in records if isinstance(record[name], int | float)]
            if numbers and not isinstance(records[0][name], bool):
                bound = sorted(numbers)[len(numbers) // 2]
                said = name.rsplit("_", 1)[0].replace("_", " ")
                found = await rows(sql, tables, f"How many videos have a {said} over {bound:g}?")
                assert found is not None and found[0][0] == sum(number > bound for number in numbers), (name, bound)


def test_a_long_question_plans_nothing() -> None:
    assert queries("How many videos are there? " * 100, "en", [empty_catalog()]) == ([], False)
