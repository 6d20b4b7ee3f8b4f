"""Outside English, too, what nothing answers is refused, and what something answers is found."""

from __future__ import annotations

import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.evidence import evidence
from ray_jobs.engines.embedded.extractive.familiarity import knows

# (a passage, a question that it answers, one that nothing answers); written for this test.
TEXTS = [
    ("Färjan till ön avgår varje morgon klockan sju.", "När avgår färjan till ön?", "Vem uppfann telefonen?"),
    ("De brug over de rivier wordt in april gesloten.", "Wanneer wordt de brug gesloten?", "Hoe zwaar is de maan?"),
    ("Biblioteka zamyka się o ósmej wieczorem.", "Kiedy zamyka się biblioteka?", "Co jedzą wieloryby?"),
    ("Kokous siirrettiin torstaihin, koska johtaja on sairaana.", "Miksi kokous siirrettiin?", "Kuka keksi puhelimen?"),
    ("Fabrikadaki yangın sabaha karşı söndürüldü.", "Yangın ne zaman söndürüldü?", "Ay ne kadar ağır?"),
    ("Cửa hàng cà phê mở cửa lúc sáu giờ sáng.", "Cửa hàng cà phê mở cửa mấy giờ?", "Ai phát minh ra điện thoại?"),
    ("Το μουσείο ανοίγει στις δέκα.", "Πότε ανοίγει το μουσείο;", "Τι τρώνε οι φάλαινες;"),
    ("Потяг до Львова запізнюється через снігопад.", "Чому запізнюється потяг?", "Хто винайшов телефон?"),
    ("अस्पताल की नई इमारत मार्च में खुलेगी।", "अस्पताल की नई इमारत कब खुलेगी?", "टेलीफोन का आविष्कार किसने किया?"),
    ("새 도서관은 월요일에 문을 엽니다.", "새 도서관은 언제 문을 엽니까?", "전화기를 발명한 사람은 누구입니까?"),
    ("រថភ្លើងទៅបាត់ដំបងចេញដំណើរម៉ោងប្រាំពីរ។", "រថភ្លើងទៅបាត់ដំបងចេញម៉ោងប៉ុន្មាន?", "តើត្រីបាឡែនស៊ីអ្វី?"),
]
ALIKE = 0.6  # as texts in a language that the embedder does not know are to each other
SOURCES = [
    pb.Source(number=place, passages=[pb.Passage(kind="speech", text=text, score=ALIKE)])
    for place, (text, _, _) in enumerate(TEXTS)
]


@pytest.mark.parametrize("place", range(len(TEXTS)))
def test_what_answers_comes_first_and_what_nothing_answers_is_refused(place: int) -> None:
    _, answered, unanswered = TEXTS[place]
    assert evidence(answered, SOURCES, 4)[0].number == place
    assert evidence(unanswered, SOURCES, 4) == []


@pytest.mark.parametrize("question", ["What do whales eat?", "What is backpropagation?", "turbine torque"])
def test_likeness_counts_for_english(question: str) -> None:
    assert knows(question)


@pytest.mark.parametrize("question", ["…", "¿?", "@@", "- - -", "🌧"])
def test_a_question_without_words_is_refused(question: str) -> None:
    assert evidence(question, SOURCES, 4) == []


def test_a_picture_is_found_where_it_is() -> None:
    held = pb.Source(number=99, passages=[pb.Passage(kind="speech", text="It rains 🌧 today.", score=0.1)])
    assert [point.number for point in evidence("🌧", [*SOURCES, held], 4)] == [99]
