"""A stage that also has a collection of facts: three clips of dams, each with a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.acceptance.described import KnownExtractor, describe, extract, upload
from tests.acceptance.doors.door import Json
from tests.acceptance.doors.stage import Stage, stages
from tests.acceptance.live_front import Account, Front

SCHEMA = {
    "type": "object",
    "properties": {
        "river": {"type": "string", "description": "The river that the dam is in"},
        "country": {"type": "string"},
        "turbines": {"type": "integer", "description": "Number of turbines"},
    },
}
RECORDS = (
    {"river": "Rance", "country": "France", "turbines": 24},
    {"river": "Annapolis", "country": "Canada", "turbines": 1},
    {"river": "Rhône", "country": "France", "turbines": 6},
)


@dataclass(frozen=True)
class EntityStage(Stage):
    facts_id: str
    foreign_facts_id: str

    def asks_facts(self, question: str, *, talks: bool = False, facts: str = "", **more: Any) -> Json:
        """A request about the facts, and about the talks beside them."""
        base = {
            "source": "collections",
            "type": "entity_backed_knowledge",
            "entity_backed_knowledge_config": {
                "entity_collections": [{"collection_id": facts or self.facts_id, "name": "dams"}],
                "description": "what is known of dams",
            },
        }
        if talks:
            base["collections"] = [self.collection_id]
        return self.asks(question, **{"model": "nimbus-002-preview", "knowledge_base": base, **more})


def entity_stages(front: Front) -> list[EntityStage]:
    foreign = _with_facts(front.account())
    return [
        EntityStage(**vars(stage), facts_id=_with_facts(stage.account), foreign_facts_id=foreign)
        for stage in stages(front)
    ]


def _with_facts(account: Account) -> str:
    config = {"schema": SCHEMA}
    collection = account.sdk.collections.create(collection_type="entities", name="dams", extract_config=config)
    for record in RECORDS:
        file_id = upload(account, f"{record['river']}.mp4")
        account.sdk.collections.add_video(collection.id, file_id=file_id)
        describe(account, collection.id, file_id)
        extract(account, collection.id, file_id, KnownExtractor(record))
    return collection.id
