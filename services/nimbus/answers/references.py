"""A request whose input names items of earlier responses by their ids: each is put in where it is named."""

from __future__ import annotations

from dataclasses import replace

from services.core.answers.responses import Responses
from services.core.errors import invalid
from services.nimbus.requests.input_items import Json, input_items, is_reference, response_of
from services.nimbus.requests.responses import MAX_INPUT_CHARACTERS, ResponseRequest, parse_request

RESPONSES_AT_ONCE = 20


async def with_items(responses: Responses, tenant_id: str, request: ResponseRequest) -> ResponseRequest:
    """The request with what it refers to; as it is, where it refers to nothing. What is kept of it needs no looking up.

    Raises INVALID_ARGUMENT that names an item which no stored response of the tenant has.
    """
    if not request.references:
        return request
    found = await _find(responses, tenant_id, set(request.references))
    items, size = [], 0
    for index, item in enumerate(request.sent["input"]):
        if is_reference(item):
            field = f"input[{index}].id"
            if item["id"] not in found:
                raise invalid(
                    f"{field}: there is no item {item['id']} in this account; only items of stored responses that have "
                    "ended can be referred to",
                    field=field,
                )
            item = found[item["id"]]
            size += len(str(item))
            if size > 4 * MAX_INPUT_CHARACTERS:  # what parse_request refuses of texts, before many copies are made
                raise invalid(f"input refers to more than {MAX_INPUT_CHARACTERS} characters", field="input")
        items.append(item)
    return replace(parse_request({**request.sent, "input": items}), stream=request.stream)


async def _find(responses: Responses, tenant_id: str, ids: set[str]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    named = sorted({response_id for id in ids if (response_id := response_of(id))})
    for start in range(0, len(named), RESPONSES_AT_ONCE):
        for response in await responses.of_ids(tenant_id, named[start : start + RESPONSES_AT_ONCE]):
            items = [*input_items(response.id, response.request["input"]), *(response.body["output"] or ())]
            found |= {item["id"]: item for item in items if item["id"] in ids}
    return found
