"""LangChain's ChatOpenAI over responses and over chats: plain, streamed, cited, a second turn, tools."""

import os

from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI


def get_weather(location: str) -> str:
    """The weather at a place."""
    return f"18 degrees in {location}"


for over_responses in (True, False):
    model = ChatOpenAI(
        model="nimbus-001", use_responses_api=over_responses, output_version="responses/v1", max_retries=0
    )
    first = model.invoke("What of streaming?")
    assert first.text
    if over_responses:
        (annotation, *_) = first.content[0]["annotations"]
        assert annotation["type"] == "file_citation" and annotation["end_time"], annotation
    pieces = list(model.stream("What of streaming?"))
    assert "".join(piece.text for piece in pieces) == first.text
    turns = [HumanMessage("What of streaming?"), first, HumanMessage("And parsing?")]
    assert model.invoke(turns).text
    tools = model.bind_tools([get_weather])
    asked = [SystemMessage(os.environ["SCRIPT"]), HumanMessage("Warm?")]
    called = tools.invoke(asked)
    (call,) = called.tool_calls
    assert call["name"] == "get_weather" and call["args"] == {"location": "Rome"}
    for content in (get_weather(**call["args"]), []):
        assert tools.invoke([*asked, called, ToolMessage(content, tool_call_id=call["id"])]).text
print("done")
