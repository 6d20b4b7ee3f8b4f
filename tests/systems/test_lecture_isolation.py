"""No tenant meets anything of another's, with the real engines."""

from __future__ import annotations

from services.core.engines.config import MODELS
from tests.running_system import Lecture


def test_the_index_gives_a_tenant_nothing_of_another(lecture: Lecture):
    """What is asked gets the first tenant an answer."""
    asked = "How many turbines are in the dam in France?"
    with lecture.system.client(lecture.system.create_key("a-stranger")) as stranger:
        for base in ({"collections": [lecture.collection_id]}, {"source": "files", "files": [lecture.file_id]}):
            body = {"model": MODELS[0], "input": asked, "knowledge_base": base}
            assert stranger.post("/responses", json=body).status_code == 404
        body = {"model": MODELS[0], "input": asked, "knowledge_base": {"source": "default"}}
        content = stranger.post("/responses", json=body).raise_for_status().json()["output"][0]["content"][0]
    assert content["annotations"] == [] and "24" not in content["text"]
    with lecture.system.client() as owner:
        content = owner.post("/responses", json=body).raise_for_status().json()["output"][0]["content"][0]
    assert content["annotations"] and "24 turbines" in content["text"]
