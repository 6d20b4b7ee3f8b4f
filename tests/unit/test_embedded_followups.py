"""Follow-up questions: each is rewritten into one that reads without the conversation, or left alone if it does already."""

from __future__ import annotations

import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.followups import MAX_CHARACTERS, standalone

FUNDY = "How high does the tide rise in the Bay of Fundy?"
MOON = "How far away is the moon?"
SPRING = "What is a spring tide?"
RANCE = "How many turbines does La Rance have?"
ADDRESS = "Where was the inaugural address of 1961 given?"
BUDGET = "What is the budget in USD?"
LISTED = (
    "- At 00:00, the screen shows: “Two high tides on most days” [1].\n"
    "- At 00:16, the screen shows: “Distance: 384,000 km” [2].\n"
    "- At 00:33, the screen shows: “Spring tide: new moon and full moon” [3]."
)
RUNNING = (
    "At 00:52, the screen shows: “Bay of Fundy, Canada: 16 meters” [1]. "
    "At 00:55, the speaker says: “the sea rises as high as a house” [2]."
)
ONE_FILE = "In tides.mp4 at 00:16, the screen shows: “Distance: 384,000 km” [1]."
TWO_FILES = f"{ONE_FILE} In moon.mov at 00:02, the speaker says: “the moon is far” [2]."
NUMBERED = "1. The budget is 4,215 USD [1].\n2. The best quarter was Q3 [2].\n3. Tokens: 42 [3]."
KENNEDY = "At 00:29, the speaker says: “ask not what your country can do for you” [1]."


def rewritten(*turns: str) -> str:
    """Turns of user and assistant in alternation, the last one the question."""
    return standalone([pb.Message(role=("user", "assistant")[n % 2], text=text) for n, text in enumerate(turns)])


@pytest.mark.parametrize(
    ("previous", "answer", "question", "expected"),
    [
        # another thing in the place of the one that was asked about
        (MOON, "", "What about the sun?", "How far away is the sun?"),
        (MOON, "", "and the sun?", "How far away is the sun?"),
        (FUNDY, RUNNING, "And in the Mediterranean?", "How high does the tide rise in the Mediterranean?"),
        (FUNDY, RUNNING, "How about the Mediterranean Sea?", "How high does the tide rise in the Mediterranean Sea?"),
        (SPRING, "", "And a neap tide?", "What is a neap tide?"),
        (RANCE, "", "what about Annapolis?", "How many turbines does Annapolis have?"),
        ("What is the capital of France?", "Paris.", "And Mongolia?", "What is the capital of Mongolia?"),
        ("What does the speaker say about the moon?", "", "and the sun?", "What does the speaker say about the sun?"),
        (
            "What do conditional expressions allow?",
            "",
            "What about path expressions?",
            "What do path expressions allow?",
        ),
        (ADDRESS, "", "And the one of 1965?", "Where was the inaugural address of 1965 given?"),
        # another question about the same thing
        (ADDRESS, "", "And when?", "When was the inaugural address of 1961 given?"),
        (FUNDY, RUNNING, "Why?", "How high does the tide rise in the Bay of Fundy, and why?"),
        # pronouns
        (RANCE, "", "When was it opened?", "When was La Rance opened?"),
        (SPRING, "", "How high is it?", "How high is a spring tide?"),
        (ADDRESS, "", "Who gave it?", "Who gave the inaugural address of 1961?"),
        (BUDGET, "4,215 USD [1].", "who approved it?", "Who approved the budget in USD?"),
        ("What are neap tides?", "", "When do they happen?", "When do neap tides happen?"),
        (MOON, "", "And how large is its effect?", "How large is the moon’s effect?"),
        ("Who is John Dashwood?", "", "Is he friendly?", "Is John Dashwood friendly?"),
        (SPRING, "", "What does that mean?", "What does a spring tide mean?"),
        ("Is it true?", KENNEDY, "Who said that?", "Who said “ask not what your country can do for you”?"),
        # more of the same
        (FUNDY, RUNNING, "Tell me more", "Tell me more about the tide in the Bay of Fundy."),
        (FUNDY, RUNNING, "tell me more about that.", "Tell me more about the tide in the Bay of Fundy."),
        (RANCE, "", "What else does the speaker say?", "What else does the speaker say about La Rance?"),
        ("Summarize the video", LISTED, "Tell me more", "Summarize the video."),
        (MOON, "", "Are you sure?", "How far away is the moon?"),
        (MOON, "", "In one sentence, please.", "How far away is the moon?"),
        # a place in the list of the last answer
        ("List the key points", LISTED, "And the second one?", "What about “Distance: 384,000 km”?"),
        (
            "List the key points",
            LISTED,
            "Tell me more about the last point",
            "Tell me more about “Spring tide: new moon and full moon”.",
        ),
        ("List the key points", LISTED, "What does number 1 mean?", "What does “Two high tides on most days” mean?"),
        (FUNDY, RUNNING, "and the second one?", "What about “the sea rises as high as a house”?"),
        ("Compare the sun and the moon", "", "Tell me more about the latter", "Tell me more about the moon."),
        # another file of the last answer
        (MOON, TWO_FILES, "And in the other video?", "How far away is the moon, in moon.mov?"),
        (MOON, ONE_FILE, "and in the other video?", "How far away is the moon, in a video other than tides.mp4?"),
        (MOON, TWO_FILES, "What else is shown in the second video?", "What else is shown in moon.mov?"),
        # written after the rules were
        ("Which was the best quarter?", "Q3 [1].", "and the worst quarter?", "Which was the worst quarter?"),
        ("Which was the best quarter?", "Q3 [1].", "And the worst?", "Which was the worst quarter?"),
        ("What does the SDK expose?", "", "What’s it called?", "What is the SDK called?"),
        ("What does the SDK expose?", "", "Does it support streaming?", "Does the SDK support streaming?"),
        ("Summarize the lecture.", NUMBERED, "Can you expand on point 3?", "Can you expand on “Tokens: 42”?"),
        ("Summarize the lecture.", NUMBERED, "What is the third one about?", "What is “Tokens: 42” about?"),
        ("Summarize the lecture.", NUMBERED, "the second?", "What about “The best quarter was Q3”?"),
        (SPRING, "", "and what causes it?", "What causes a spring tide?"),
        (SPRING, "", "Could you explain that in more detail?", "Could you explain a spring tide in more detail?"),
        (
            "What is the difference between spring tides and neap tides?",
            "",
            "Which one is higher?",
            "Which is higher, spring tides or neap tides?",
        ),
        (MOON, TWO_FILES, "Is that also in the second video?", "Is that also in moon.mov?"),
        (MOON, TWO_FILES, "what about the other clip?", "How far away is the moon, in moon.mov?"),
        ("Where is the telescope?", "", "Who built it?", "Who built the telescope?"),
        ("Where is the telescope?", "", "Make that shorter", "Where is the telescope?"),
        ("When were sales highest?", "", "And lowest?", "When were sales lowest?"),
        ("Tell me about the tides", "", "What about in Canada?", "Tell me about the tides in Canada."),
        ("Tell me about the tides", "", "No, I mean the neap tides", "Tell me about the neap tides."),
        (
            "How do I open a program from the menu?",
            "",
            "And from the keyboard?",
            "How do I open a program from the keyboard?",
        ),
        (
            "How many tokens are expected?",
            "42",
            "In which function?",
            "How many tokens are expected, and in which function?",
        ),
        ("What is said about Canada?", "", "Go on", "Tell me more about Canada."),
    ],
)
def test_a_follow_up_is_rewritten(previous: str, answer: str, question: str, expected: str) -> None:
    assert rewritten(previous, answer, question) == expected


@pytest.mark.parametrize(
    "question",
    [
        "What is a neap tide?",
        "How many turbines does La Rance have?",
        "How long is it between high tides?",
        "Is it possible to open a program from the menu?",
        "Is the moon larger than it looks?",
        "What is the second module of the course?",
        "Which was the first large station?",
        "What is this video about?",
        "Summarize the video.",
        "What happens in the second video?",
        "Is it true that the tide rises twice a day?",
        "Where is the function that turns a string into pieces?",
        "What did the speaker say about funding?",
        "Is there a slide on budgets?",
        "And now for something else: how many tokens are expected?",
        "Compare the sun and the moon.",
        "Thanks!",
        "Key topics?",
        "tide power",
        "Who discovered penicillin?",
        "What is it that the moon pulls?",
        "Does the man who holds the drawing like it?",
        "What does lecture.mp4 say about the sun?",
        "Which videos mention the moon?",
        "Wie hoch steigt die Flut?",
        "x" * (MAX_CHARACTERS + 1),
    ],
)
def test_a_question_that_stands_alone_is_left_alone(question: str) -> None:
    assert rewritten(MOON, RUNNING, question) in (question, question.removeprefix("And now for something else: "))


def test_a_first_question_is_left_alone() -> None:
    assert rewritten("and the second one?") == "and the second one?"


def test_a_follow_up_of_a_follow_up_reads_alone_too() -> None:
    turns = (MOON, "far", "and the sun?", "farther", "how large is it?")
    assert rewritten(*turns) == "How large is the sun?"
