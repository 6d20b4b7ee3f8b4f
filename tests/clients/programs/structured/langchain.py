"""LangChain's with_structured_output, by a schema and by a function, over responses and over chats."""

from langchain_openai import ChatOpenAI
from pydantic import BaseModel


class Talk(BaseModel):
    """What a talk is about."""

    topic: str
    numbers: list[int]


for over_responses in (True, False):
    model = ChatOpenAI(model="nimbus-001", use_responses_api=over_responses, max_retries=0)
    for method in ("json_schema", "function_calling"):
        found = model.with_structured_output(Talk, method=method).invoke("What of streaming?")
        assert isinstance(found, Talk) and found.topic, (over_responses, method, found)
print("done")
