"""Pictures of a question, from a request's JSON to what a model is shown."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from arcus.engine.v1 import engine_pb2 as pb
from PIL import Image

from ray_jobs.engines.language import pictures
from ray_jobs.engines.language.generator import LanguageGenerator
from ray_jobs.engines.language.scripted import ScriptedModel
from services.core.errors import ArcusError, Reason
from services.nimbus.context.prompt import conversation
from services.nimbus.requests.chats import parse_chat
from services.nimbus.requests.input_items import input_items
from services.nimbus.requests.pictures import MAX_PICTURES
from services.nimbus.requests.responses import parse_request

RED = (255, 0, 0)


def saved(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def red(form: str = "PNG", size: tuple[int, int] = (4, 3)) -> bytes:
    return saved(Image.new("RGB", size, RED), form)


def url(file: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(file).decode()}"


def asked(*parts: Any) -> dict[str, Any]:
    content = [{"type": "input_text", "text": "What is it?"}, *parts]
    return {"model": "nimbus-001", "input": [{"role": "user", "content": content}]}


def shown(image_url: Any, **more: Any) -> dict[str, Any]:
    return {"type": "input_image", "image_url": image_url, **more}


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_picture_reaches_the_model_as_it_was_sent(form: str) -> None:
    file = red(form)
    request = parse_request(asked(shown(url(file), detail="high")))
    assert request.messages[0].text == "What is it?" and request.messages[0].pictures == (file,)
    (turn,) = conversation(request.messages, 1000)
    assert list(turn.pictures) == [file]
    (pixels,) = pictures.opened(turn.pictures)
    assert pixels.shape == (3, 4, 3) and pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - RED).max() < 12


def test_a_chat_shows_it_in_the_form_of_chats() -> None:
    picture = {"type": "image_url", "image_url": {"url": url(red()), "detail": "low"}}
    content = [{"type": "text", "text": "What is it?"}, picture]
    body = {"model": "nimbus-001", "messages": [{"role": "user", "content": content}], "collections": ["c"]}
    assert parse_chat(body).asked.messages[-1].pictures == (red(),)


def test_it_is_told_again_in_the_form_of_responses() -> None:
    told = input_items("0" * 32, asked(shown(url(red())), shown(url(red()), detail="low"))["input"])[0]["content"]
    assert told[0] == {"type": "input_text", "text": "What is it?"}
    assert [part["detail"] for part in told[1:]] == ["auto", "low"]
    assert {part["type"] for part in told[1:]} == {"input_image"} and told[1]["image_url"] == url(red())


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (shown(None), "data:image/png;base64"),
        ({"type": "input_image", "file_id": "file_1"}, "knowledge_base"),
        (shown("https://example.org/a.png"), "fetches nothing"),
        (shown("file:///etc/passwd"), "fetches nothing"),
        (shown("data:image/png,abc"), "base64"),
        (shown("data:image/png;base64,%%%"), "base64"),
        (shown("data:image/png;base64,"), "neither PNG"),
        (shown(url(b"%PDF-1.4"), detail="auto"), "neither PNG"),
        (shown(url(b"<svg/>", "image/svg+xml")), "neither PNG"),
        (shown(url(red()), detail="huge"), "auto, low, high"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_field(part: dict[str, Any], says: str) -> None:
    with pytest.raises(ArcusError, match=says) as refusal:
        parse_request(asked(part))
    assert (refusal.value.reason, refusal.value.field) == (Reason.INVALID_ARGUMENT, "input[0].content[1].image_url")


def test_more_pictures_than_a_request_may_show_are_refused() -> None:
    parse_request(asked(*[shown(url(red()))] * MAX_PICTURES))
    with pytest.raises(ArcusError, match="more than 16 pictures"):
        parse_request(asked(*[shown(url(red()))] * (MAX_PICTURES + 1)))


def test_pictures_of_earlier_questions_are_not_shown_again() -> None:
    earlier = asked(shown(url(red())))["input"]
    turns = [*earlier, {"role": "assistant", "content": "A square."}, {"role": "user", "content": "Which colour?"}]
    request = parse_request({"model": "nimbus-001", "input": turns})
    assert [len(turn.pictures) for turn in conversation(request.messages, 1000)] == [0, 0, 0]


def test_a_picture_is_shown_upright_on_white_and_no_larger_than_a_model_sees() -> None:
    lying = Image.new("RGB", (40, 20), RED)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    clear = Image.new("RGBA", (2, 2), (0, 0, 0, 0))
    deep = Image.fromarray(np.full((5, 6), 40_000, np.uint16))
    large = Image.new("L", (4 * pictures.MAX_SIDE, pictures.MAX_SIDE))
    turned, white, grey, small = pictures.opened(
        [saved(lying, "JPEG", exif=exif), saved(clear), saved(deep), saved(large)]
    )
    assert turned.shape == (40, 20, 3)
    assert (white == 255).all()
    assert grey.shape == (5, 6, 3)
    assert small.shape == (pictures.MAX_SIDE // 4, pictures.MAX_SIDE, 3)


@pytest.mark.parametrize("file", [red()[:40], b"\x89PNG\r\n\x1a\n" + bytes(60), red("JPEG")[:200], b"GIF89a"])
def test_a_damaged_picture_is_refused_by_its_number(file: bytes) -> None:
    with pytest.raises(ArcusError, match="Picture 2 can't be read") as refusal:
        pictures.opened([red(), file])
    assert refusal.value.reason is Reason.INVALID_ARGUMENT


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_opened() -> None:
    side = int(pictures.MAX_PIXELS**0.5) + 10
    with pytest.raises(ArcusError, match="million pixels"):
        pictures.opened([saved(Image.new("1", (side, side)))])


def question(*turns: tuple[str, int], **more: Any) -> pb.GenerateRequest:
    """Turns of the user, each with so many pictures."""
    messages = [pb.Message(role="user", text=text, pictures=[red()] * count) for text, count in turns]
    return pb.GenerateRequest(request_id="r", tenant_id="t", messages=messages, **more)


async def answer(model: ScriptedModel, request: pb.GenerateRequest) -> str:
    return "".join([chunk.text async for chunk in LanguageGenerator(model).generate(request)])


async def test_the_last_question_s_pictures_are_before_the_model() -> None:
    model = ScriptedModel()
    assert await answer(model, question(("And this?", 3), ("What are these?", 2)))
    (prompt,) = model.prompts
    assert [image.shape for image in prompt.images] == [(3, 4, 3)] * 2
    assert "pictures" in prompt.turns[0].text


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (ScriptedModel(max_images=0), "kind vllm or openai"),
        (ScriptedModel(max_images=1), "1 at most"),
        (ScriptedModel(context_tokens=300), "too long|leave some out"),
    ],
)
async def test_a_model_that_does_not_see_so_much_refuses_with_what_to_do(model: ScriptedModel, says: str) -> None:
    with pytest.raises(ArcusError, match=says) as refusal:
        await answer(model, question(("What are these?", 2), max_output_tokens=100))
    assert refusal.value.reason is Reason.INVALID_ARGUMENT and not model.prompts
