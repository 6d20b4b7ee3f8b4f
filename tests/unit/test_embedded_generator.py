"""The embedded generator: quotes what answers, in the language of the question, or refuses."""

from __future__ import annotations

import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.frames import frames
from ray_jobs.engines.embedded.extractive.generator import EmbeddedGenerator, compose

REFUSAL = frames("en").say("refusal")


def passage(text: str, score: float = 0.9, start: float = 0.0, kind: str = "speech") -> pb.Passage:
    return pb.Passage(kind=kind, text=text, start_time=start, end_time=start + 5, score=score)


def source(number: int, *passages: pb.Passage, filename: str = "talk.mp4", part: int = 0) -> pb.Source:
    start = passages[0].start_time
    return pb.Source(
        number=number,
        part=part,
        file_id=filename,
        segment_id=f"s{number}",
        filename=filename,
        start_time=start,
        end_time=start + 20,
        passages=passages,
    )


TIDE = source(4, passage("The tide rises twice a day.", 0.92, start=75))
# What else is retrieved, by which likeness is told from what every passage has.
OTHERS = (
    source(5, passage("Bees dance in the hive.", 0.75, start=200)),
    source(6, passage("Next week we look at volcanoes.", 0.76, start=300)),
)


def ask(question: str, *sources: pb.Source, form: str = "what", language: str = "en", **fields: object) -> str:
    request = pb.GenerateRequest(
        messages=[pb.Message(role="user", text=question)],
        sources=sources,
        form=form,
        language=language,
        embedder="multilingual-e5-small",
        **fields,  # type: ignore[arg-type]
    )
    return compose(request)


CHART = source(
    7, passage("Barrels per Year\nStout: 120\nPorter: 85", 0.78, start=40, kind="scene_text"), filename="brewery.mp4"
)
SIGN = source(8, passage("Mind the Step", 0.77, start=90, kind="scene_text"))


@pytest.mark.parametrize(
    ("language", "question"),
    [
        ("en", "What does the chart show?"),
        ("de", "Was zeigt das Diagramm?"),
        ("fr", "Que montre le graphique ?"),
        ("es", "¿Qué muestra el gráfico?"),
        ("pt", "O que mostra o gráfico?"),
        ("zh", "图表显示了什么？"),
        ("ja", "グラフは何を示していますか？"),
    ],
)
def test_a_chart_that_is_asked_for_is_read(language: str, question: str) -> None:
    answer = ask(question, TIDE, CHART, SIGN, *OTHERS, language=language)
    assert "Stout: 120 / Porter: 85" in answer and "[7]" in answer
    assert not any(f"[{number}]" in answer for number in (4, 5, 6, 8))


def test_a_chart_on_something_else_is_not_read() -> None:
    assert ask("What does the chart on penguins show?", CHART, *OTHERS) == REFUSAL
    assert ask("What does the chart show?", SIGN, *OTHERS) == REFUSAL


def test_what_is_on_the_screen_is_read_as_a_sign_only_where_it_is_likely_to_be_that() -> None:
    slide, sign = (source(8, passage("Mind the Step", likeness, kind="scene_text")) for likeness in (0.8, 0.95))
    assert ask("What does the poster say?", slide, *OTHERS) == REFUSAL
    assert "Mind the Step" in ask("What does the sign say?", sign, *OTHERS)


def test_of_a_chart_the_line_that_is_asked_for_comes_first() -> None:
    chart = source(7, passage(CHART.passages[0].text, 0.9, kind="scene_text"), filename="brewery.mp4")
    answer = ask("What about the barrels of Porter?", chart, *OTHERS)
    assert answer.startswith("**Porter: 85**")


@pytest.mark.parametrize("form", ["what", "whole", "list", "each", "which_file"])
@pytest.mark.parametrize(
    "question", ["¿?", "~~~", "…。", "۔", "\u200b", "\u00ad", "3\ufe0f\u20e3", "🇫🇷", "👨\u200d👩\u200d👧", "❤\ufe0f"]
)
def test_a_question_without_words_is_answered_by_its_signs_alone(question: str, form: str) -> None:
    assert ask(question, TIDE, *OTHERS, form=form, broad=form == "whole") == REFUSAL
    held = any(sign in question for sign in "🇫👨❤\u20e3")
    shown = source(9, passage(f"We ship it {question} tonight.", 0.7), filename="ship.mp4")
    answer = ask(question, TIDE, shown, *OTHERS, form=form, broad=form == "whole")
    assert ("[9]" in answer and "[4]" not in answer) if held else answer == REFUSAL


def test_without_sources_it_says_so_and_cites_nothing() -> None:
    assert ask("What is a tide?") == frames("en").say("nothing")
    assert ask("潮汐是什么？", language="zh") == frames("zh").say("nothing")


def test_a_claim_is_quoted_with_its_time_and_source() -> None:
    answer = ask("What does the tide do twice a day?", TIDE, *OTHERS)
    assert answer == "At 01:15–01:20 the speaker says “The tide rises twice a day.” [4]"


def test_the_answer_stands_before_the_claim_that_holds_it() -> None:
    dam = source(1, passage("The dam is 120 m tall.", 0.92))
    assert ask("How tall is the dam?", dam, *OTHERS, form="number").startswith("**120 m")


@pytest.mark.parametrize(
    ("language", "question"), [("en", "How old is the painter?"), ("de", "Wie alt ist der Maler?")]
)
def test_nothing_answers_a_question_for_a_number_that_holds_none(language: str, question: str) -> None:
    painter = source(1, passage("The painter lived in Bruges.", 0.9))
    assert ask(question, painter, *OTHERS, form="number", language=language) == frames(language).say("refusal")


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "pt", "zh", "ja"])
def test_what_is_unlike_the_question_is_refused_in_its_language(language: str) -> None:
    answer = ask("Xylophon?", source(1, passage("The tide rises twice a day", 0.74)), *OTHERS, language=language)
    assert answer == frames(language).say("refusal") and "[" not in answer


@pytest.mark.parametrize(
    ("language", "question", "said"),
    [
        ("en", "Is saffron mentioned anywhere?", "Yes"),
        ("fr", "Parle-t-on du safran ?", "Oui"),
        ("es", "¿Se habla del azafrán?", "Sí"),
    ],
)
def test_whether_a_thing_is_spoken_of_is_answered_first(language: str, question: str, said: str) -> None:
    words = {"en": "Then the saffron goes in.", "fr": "Puis on ajoute le safran.", "es": "Luego se echa el azafrán."}
    answer = ask(question, source(1, passage(words[language], 0.93)), *OTHERS, form="yes_no", language=language)
    assert answer.startswith(f"**{said}**")


@pytest.mark.parametrize(
    ("language", "question", "said"),
    [
        ("en", "Is saffron mentioned anywhere?", "No"),
        ("de", "Wird Safran erwähnt?", "Nein"),
        ("ja", "サフランは出てきますか？", "いいえ"),
    ],
)
def test_of_a_thing_that_is_not_found_it_says_first_that_it_is_not_mentioned(
    language: str, question: str, said: str
) -> None:
    answer = ask(question, *OTHERS, form="yes_no", language=language)
    assert answer.startswith(f"**{said}**") and answer.endswith(frames(language).say("refusal"))
    assert ask(question, *OTHERS, language=language) == frames(language).say("refusal")


def test_what_repeats_a_part_of_the_answer_is_left_out() -> None:
    spoken = passage("The crane drivers announced a strike for Monday.", 0.93)
    shown = passage("Strike", 0.93, kind="scene_text")
    assert "screen" not in ask("What did the crane drivers announce, a strike?", source(1, spoken, shown), *OTHERS)


def test_a_number_of_what_is_asked_for_comes_before_another() -> None:
    soup = source(1, passage("Slice 6 onions and cook the soup for 40 minutes.", 0.93))
    assert ask("How long is the soup cooked?", soup, *OTHERS, form="number").startswith("**40 minutes")


def test_the_same_words_are_said_once() -> None:
    answer = ask(
        "What does the spring tide do?",
        source(1, passage("The spring tide floods.", 0.93)),
        source(2, passage("the spring tide floods", 0.93, start=40)),
        *OTHERS,
    )
    assert answer.lower().count("the spring tide") == 1


def test_an_overview_tells_of_each_part_of_the_video() -> None:
    sources = [source(n, passage(f"Chapter {n}", 0.8, start=20.0 * n, kind="scene_text")) for n in range(1, 6)]
    answer = ask("Summarize.", *sources, broad=True, form="whole")
    assert [f"[{n}]" in answer for n in range(1, 6)] == [True] * 5


def test_an_overview_is_of_the_video_that_is_meant() -> None:
    bees = source(1, passage("Bees dance in the hive to tell where flowers are.", 0.93), filename="bees.mp4")
    tides = source(2, passage("The tide rises twice a day.", 0.74), filename="tides.mp4")
    answer = ask("Summarize the video about dancing bees in the hive.", bees, tides, broad=True, form="whole")
    assert "bees.mp4" in answer and "tides.mp4" not in answer
    assert "tides.mp4" in ask("Summarize the videos.", bees, tides, broad=True, form="whole")


@pytest.mark.parametrize(
    ("language", "question"),
    [
        ("de", "Fasse das Video über Bienen zusammen."),
        ("fr", "Résume la vidéo sur les abeilles."),
        ("zh", "总结关于蜜蜂的视频。"),
    ],
)
def test_an_overview_is_of_the_video_that_is_meant_in_another_language(language: str, question: str) -> None:
    bees = source(1, passage("They dance in the hive to tell where flowers are.", 0.74), filename="a.mp4")
    tides = source(2, passage("The tide rises twice a day.", 0.76), filename="b.mp4")
    answer = ask(question, bees, tides, broad=True, form="whole", language=language)
    assert "[1]" in answer and "[2]" not in answer


def test_videos_that_are_about_as_like_what_is_meant_in_another_language_are_all_told() -> None:
    onion = source(
        1, passage("Let the onions brown slowly in butter before the broth is added."), filename="onion_soup.mp4"
    )
    miso = source(2, passage("Warm the broth and stir the miso into the soup."), filename="miso_soup.mp4")
    tart = source(3, passage("Lay the pears on the pastry and bake it for forty minutes."), filename="pear_tart.mp4")
    question = "Fasse die Videos über Suppen zusammen."
    answer = ask(question, onion, miso, tart, broad=True, form="whole", language="de")
    assert "onion_soup.mp4" in answer and "miso_soup.mp4" in answer and "pear_tart.mp4" not in answer


def test_a_video_that_is_called_so_is_meant_before_one_that_tells_of_it() -> None:
    named = source(1, passage("First we cut the fruit."), filename="pear_tart.mp4")
    chart = source(2, passage("Calories / Soup: 380 / Pear tart: 450", kind="scene_text"), filename="calories.mp4")
    answer = ask("What happens in the video on the pear tart?", named, chart, broad=True, form="whole")
    assert "pear_tart.mp4" in answer and "calories.mp4" not in answer


def test_an_overview_of_all_is_no_search_for_its_own_words() -> None:
    clock = source(1, passage("If I walked there, I would watch the sea."), filename="coast.mp4")
    other = source(2, passage("The lathe turns the table leg."), filename="workshop.mp4")
    answer = ask("Walk me through what I would see if I watched these.", clock, other, broad=True, form="whole")
    assert "coast.mp4" in answer and "workshop.mp4" in answer


def test_each_part_is_answered_and_a_part_without_evidence_is_named() -> None:
    high = passage("High tide is at noon.", 0.93)
    low = passage("High tide is at noon.", 0.73)
    answer = ask(
        "When is high tide? Who wrote the opera?",
        *(source(1, high, part=0), source(1, low, part=1)),
        *(source(2, passage("Bees dance.", 0.75, start=50), part=part) for part in (0, 1)),
        parts=["When is high tide?", "Who wrote the opera?"],
    )
    assert "High tide is at noon" in answer
    assert "nothing on “Who wrote the opera?”" in answer


def test_a_question_for_files_names_the_likeliest() -> None:
    answer = ask(
        "Which video explains the tide?",
        source(1, passage("The tide is explained here.", 0.93), filename="a.mp4"),
        source(2, passage("Bees dance in the hive.", 0.75), filename="b.mp4"),
        form="which_file",
    )
    assert "a.mp4" in answer and "b.mp4" not in answer


def test_each_video_is_told_of_where_nothing_is_asked_about_it() -> None:
    videos = [
        source(n, passage(f"{name} is explained.", 0.78), filename=f"{name}.mp4")
        for n, name in enumerate(("Rain", "Snow"), 1)
    ]
    answer = ask("One sentence for every video, please.", *videos, form="each")
    assert "Rain.mp4" in answer and "Snow.mp4" in answer


def test_both_sides_of_a_comparison_are_told_of() -> None:
    answer = ask(
        "Compare copper with brass.",
        *(source(1, passage("Copper melts at 1085 degrees.", 0.93), part=part) for part in (0,)),
        *(source(2, passage("Brass is an alloy of zinc.", 0.93, start=50), part=part) for part in (1,)),
        *(source(3, passage("Bees dance.", 0.74, start=90), part=part) for part in (0, 1)),
        form="compare",
        parts=["copper", "brass"],
    )
    assert (
        answer.index("On copper:") < answer.index("Copper melts") < answer.index("On brass:") < answer.index("Brass is")
    )


def test_only_the_files_that_are_named_are_quoted() -> None:
    sources = [
        source(n, passage("The tide rises.", 0.93), filename=name) for n, name in enumerate(("a.mp4", "b.mp4"), 1)
    ]
    assert "[1]" in ask("What rises in a.mp4?", *sources) and "[2]" not in ask("What rises in a.mp4?", *sources)
    assert "[1]" not in ask("What rises besides a.mp4?", *sources)


async def test_the_answer_comes_word_by_word_and_ends_within_its_limit() -> None:
    request = pb.GenerateRequest(
        messages=[pb.Message(role="user", text="What does the tide do twice a day?")],
        sources=[TIDE, *OTHERS],
        max_output_tokens=3,
        form="what",
    )
    chunks = [chunk async for chunk in EmbeddedGenerator().generate(request)]
    assert "".join(chunk.text for chunk in chunks) == "At 01:15–01:20 the"
    assert [chunk.output_tokens for chunk in chunks] == [1, 1, 1, 0]
    assert chunks[-1].finish_reason == "length"
    assert chunks[-1].input_tokens > 0


def test_an_overview_of_everything_names_no_video() -> None:
    bees = source(1, passage("Bees dance in the hive.", 0.8), filename="bees.mp4")
    tides = source(2, passage("The tide rises twice a day.", 0.79), filename="tides.mp4")
    answer = ask("Give me an overview of everything.", bees, tides, broad=True, form="whole")
    assert "bees.mp4" in answer and "tides.mp4" in answer
