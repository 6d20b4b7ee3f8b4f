import pytest

from services.core.errors import ArcusError, Reason
from services.core.store.pages import CreatedRange, Page


async def test_chats_are_listed_newest_first_by_page_and_by_what_came_before(store):
    for number, created_at in enumerate((10, 20, 20, 20, 30)):
        body = {"id": f"h{number}", "created_at": created_at, "choices": [{"message": {"content": "é\u2028𝄞"}}]}
        await store.chats.create(store.tenant, body)
    assert (await store.chats.get(store.tenant, "h1")).body["choices"][0]["message"]["content"] == "é\u2028𝄞"
    everything = await store.chats.list(store.tenant, Page())
    assert [chat.id for chat in everything.items] == ["h4", "h3", "h2", "h1", "h0"] and everything.total == 5
    page = await store.chats.list(store.tenant, Page(limit=2, offset=1))
    assert [chat.id for chat in page.items] == ["h3", "h2"] and page.total == 5
    rest = await store.chats.list(store.tenant, Page(limit=2, after="h3"))
    assert [chat.id for chat in rest.items] == ["h2", "h1"] and rest.total == 5
    some = await store.chats.list(store.tenant, Page(), created=CreatedRange(after=20, before=30))
    assert [chat.id for chat in some.items] == ["h3", "h2", "h1"]
    for _ in range(2):
        await store.chats.delete(store.tenant, "h2")
    with pytest.raises(ArcusError) as gone:
        await store.chats.list(store.tenant, Page(after="h2"))
    assert gone.value.reason is Reason.NOT_FOUND
