"""The embedded planner: the form of a question in any of seven languages, and what to search for."""

from __future__ import annotations

import numpy as np
import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.forms import is_open, taken
from ray_jobs.engines.embedded.extractive.planner import MAX_PARTS, plan
from ray_jobs.engines.embedded.extractive.sides import sides

pytestmark = pytest.mark.slow


def planned(*turns: str, decompose: bool = True) -> pb.PlanResponse:
    """`turns`: question, answer, question …"""
    roles = ("user", "assistant")
    messages = [pb.Message(role=roles[place % 2], text=text) for place, text in enumerate(turns)]
    return plan(pb.PlanRequest(messages=messages, decompose=decompose))


@pytest.mark.parametrize(
    ("question", "form", "language"),
    [
        ("Please give me a recap of all this.", "whole", "en"),
        ("Kannst du mir sagen, wovon der Film handelt?", "whole", "de"),
        ("Pourriez-vous résumer ce que montre la vidéo ?", "whole", "fr"),
        ("¿Me puedes contar en general de qué va?", "whole", "es"),
        ("Pode resumir o conteúdo desta gravação?", "whole", "pt"),
        ("请大概说一下这段录像的内容。", "whole", "zh"),
        ("この録画の要点をまとめてください。", "whole", "ja"),
        ("Sum up the film on glass blowing.", "whole", "en"),
        ("Fass die Aufnahme vom Segelrennen zusammen.", "whole", "de"),
        ("Que raconte la vidéo sur les abeilles ?", "whole", "fr"),
        ("¿Qué cuenta el vídeo sobre las abejas?", "whole", "es"),
        ("ミツバチの動画をまとめてください。", "whole", "ja"),
        ("How did the dress rehearsal go?", "whole", "en"),
        ("Catch me up on the call with the builders.", "whole", "en"),
        ("Wie lief das Training?", "whole", "de"),
        ("¿Cómo fue la excursión?", "whole", "es"),
        ("Como correu o ensaio?", "whole", "pt"),
        ("What happened to the blue kettle?", "what", "en"),
        ("Could I get all of this in brief?", "whole", "en"),
        ("Sag mir das Wesentliche in Kürze.", "whole", "de"),
        ("Fais une table des matières.", "whole", "fr"),
        ("Divide o vídeo em capítulos.", "whole", "pt"),
        ("How many litres does the tank hold?", "number", "en"),
        ("Combien d'heures sèche la peinture ?", "number", "fr"),
        ("Was ist der Inhalt der Schachtel?", "what", "de"),
        ("Sort all clips by how long they are.", "catalog", "en"),
        ("Muéstrame todos los vídeos con su duración.", "catalog", "es"),
        ("Wer hat die Orgel gebaut?", "who", "de"),
        ("Dans quelle vidéo voit-on un phare ?", "which_file", "fr"),
        ("¿Cuál es la grabación más larga?", "catalog", "es"),
        ("Qual é a diferença entre o trem e o ônibus?", "compare", "pt"),
        ("Compare what first.mp4 and second.mp4 say about the moon.", "compare", "en"),
        ("Vergleiche, was die beiden Aufnahmen über Kupfer sagen.", "compare", "de"),
        ("这座塔是哪一年建的？", "when", "zh"),
        ("この橋は安全ですか？", "yes_no", "ja"),
    ],
)
def test_the_form_and_language_of_a_question_are_told(question: str, form: str, language: str) -> None:
    made = planned(question)
    assert (made.form, made.language) == (form, language)
    assert made.broad is (form == "whole")


@pytest.mark.parametrize(
    ("likely", "form"),
    [
        ({"who": 0.27, "list": 0.23, "whole": 0.05}, "what"),
        ({"who": 0.45, "list": 0.23, "whole": 0.05}, "who"),
        ({"what": 0.53, "whole": 0.38, "which_file": 0.05}, "what"),
        ({"what": 0.42, "whole": 0.38, "which_file": 0.05}, "whole"),
        ({"which_file": 0.42, "whole": 0.38}, "which_file"),
    ],
)
def test_a_form_that_is_hardly_likely_is_none_of_a_kind(likely: dict[str, float], form: str) -> None:
    assert taken({"which_file": 0.0, **likely}, entire=0.5) == form


@pytest.mark.parametrize(
    ("likely", "entire", "form"),
    [
        ({"whole": 0.6, "who": 0.4}, 0.2, "who"),
        ({"whole": 0.8, "who": 0.2}, 0.2, "what"),
        ({"whole": 0.2, "who": 0.6}, 0.95, "whole"),
        ({"whole": 0.2, "who": 0.8}, 0.95, "who"),
        ({"whole": 0.2, "who": 0.6}, 0.6, "who"),
        ({"whole": 0.2, "catalog": 0.6}, 0.95, "catalog"),
    ],
)
def test_further_opinions_say_whether_whole_videos_are_asked_for(likely: dict[str, float], entire: float, form: str):
    assert taken({"which_file": 0.0, **likely}, entire) == form


def test_where_whole_videos_make_no_difference_no_further_opinion_is_asked() -> None:
    shares = np.random.default_rng(5).dirichlet([0.3] * 4, 500)
    told = [dict(zip(("whole", "which_file", "who", "catalog"), map(float, share), strict=True)) for share in shares]
    settled = [likely for likely in told if not is_open(likely)]
    assert 100 < len(settled) < 400
    assert all(taken(likely, 0.0) == taken(likely, 1.0) for likely in settled)
    assert any(taken(likely, 0.0) != taken(likely, 1.0) for likely in told)


@pytest.mark.parametrize(
    ("turns", "question", "form"),
    [
        (("How tall is the dam?", "90 m", "And when was it finished?"), "How tall is the dam? And when was it finished?", "when"),
        (("Wer leitet das Labor?", "…", "Und seit wann?"), "Wer leitet das Labor? Und seit wann?", "when"),
        (("What is said about copper?", "…", "And about brass?"), "And about brass?", "what"),
        (("How tall is the dam?", "90 m", "Who sings the second song?"), "Who sings the second song?", "who"),
    ],
)  # fmt: skip
def test_a_question_that_leans_on_the_one_before_is_put_behind_it(
    turns: tuple[str, ...], question: str, form: str
) -> None:
    made = planned(*turns)
    assert (made.question, made.form) == (question, form)
    assert list(made.parts) == [question]


def test_a_value_of_a_table_takes_the_place_of_another() -> None:
    column = pb.Column(name="country", type="VARCHAR", examples=["Peru", "Canada"])
    table = pb.EntityTable(name="entities", columns=[pb.Column(name="filename", type="VARCHAR"), column])
    texts = ("How many rivers are in Peru?", "3", "And in Canada?")
    messages = [pb.Message(role=("user", "assistant")[place % 2], text=text) for place, text in enumerate(texts)]
    made = plan(pb.PlanRequest(messages=messages, decompose=True, tables=[table]))
    assert made.question == "How many rivers are in Canada?"


def test_questions_in_one_message_are_searched_one_by_one_and_bounded() -> None:
    assert list(planned("What is a tide? Who measured it?").parts) == ["What is a tide?", "Who measured it?"]
    assert list(planned("What is a tide? Who measured it?", decompose=False).parts) == [
        "What is a tide? Who measured it?"
    ]
    assert len(planned(" ".join(f"What is number {n}?" for n in range(50))).parts) == MAX_PARTS
    assert list(planned("").parts) == [""]


@pytest.mark.parametrize("question", ["🇫🇷", "¿?", "~~~", "\u00ad"])
def test_a_question_without_words_asks_for_nothing_as_a_whole(question: str) -> None:
    plan = planned(question)
    assert (plan.form, plan.language, plan.broad) == ("what", "en", False)


def test_every_video_is_searched_by_itself_where_each_is_asked_for() -> None:
    each = planned("What does each video say about the moon?")
    assert each.form == "each" and each.per_file and not each.broad
    assert planned("Give one sentence for every recording.").per_file
    assert planned("Which clip explains the gearbox?").per_file
    assert not planned("Which clip explains the gearbox?", decompose=False).per_file


@pytest.mark.parametrize(
    ("question", "language", "found"),
    [
        ("Compare the spring tide with the neap tide.", "en", ["spring tide", "neap tide"]),
        ("Was ist der Unterschied zwischen Kupfer und Messing?", "de", ["Kupfer", "Messing"]),
        ("Compare a.mp4 and b.mov", "en", ["a.mp4", "b.mov"]),
        ("冰川和沙漠有什么区别？", "zh", ["冰川", "沙漠"]),
        ("What is a tide?", "en", []),
        ("and", "en", []),
    ],
)
def test_the_two_sides_of_a_comparison(question: str, language: str, found: list[str]) -> None:
    assert sides(question, language) == found
