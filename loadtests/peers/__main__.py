"""Arcus beside its peers, in one run on one machine with one client; the goal is to be ahead of each.

    python -m loadtests.peers [streams] [stores] [--small] [--json PATH]

Streams: one server that speaks OpenAI's API, asked directly, through LiteLLM's proxy and through Arcus; each word must come
once, in its order, by an event of its own. Stores: searches of collections that hold a hundredth and a tenth of all
vectors, in pgvector, LanceDB and an index shard of Arcus, each with the setting that is fastest at a recall@10 of 0.95.
Prints one JSON object; ends with status 1 where a goal is missed, but not with --small, which only shows that
everything runs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from loadtests.peers import stores, streams

EVENTS, FIRST, QUERIES = 4.0, 0.5, 1.5


def missed(result: dict[str, Any]) -> list[str]:
    """The goals that were not reached, with what was."""
    told = []
    if of_streams := result.get("streams"):
        events, firsts = of_streams["ratios"]["events_per_second"], of_streams["ratios"]["added_first_word"]
        told += [
            f"events/s, {n} streams: {ratio} of LiteLLM, not {EVENTS}" for n, ratio in events.items() if ratio < EVENTS
        ]
        told += [
            f"added first word, {n} streams: {ratio} of LiteLLM, not {FIRST}"
            for n, ratio in firsts.items()
            if ratio > FIRST
        ]
    if of_stores := result.get("stores"):
        for store, cases in of_stores["ratios"].items():
            told += [
                f"queries/s, {case}: {ratio} of {store}, not {QUERIES}"
                for case, ratio in cases.items()
                if ratio < QUERIES
            ]
        told += [
            f"recall, {case}: {figures['recall']}, not {stores.RECALL}"
            for case, figures in of_stores["arcus"].items()
            if figures["recall"] < stores.RECALL
        ]
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help="streams, stores; both where none is named")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if unknown := set(given.parts) - {"streams", "stores"}:
        parser.error(f"there is no part {sorted(unknown)}")
    wanted = {"streams": ("litellm",), "stores": ("pgvector", "lancedb")}
    missing = [name for part in given.parts or wanted for name in wanted[part] if not (stores.PEERS / name).is_dir()]
    if missing:
        parser.error("first make " + " ".join(f"build/peers/{name}" for name in missing))
    result: dict[str, Any] = {"load_before": os.getloadavg()}
    if not given.parts or "streams" in given.parts:
        result["streams"] = streams.run(streams.SMALL if given.small else streams.Sizes())
    if not given.parts or "stores" in given.parts:
        result["stores"] = stores.run(stores.SMALL if given.small else stores.Sizes())
    result |= {"load_after": os.getloadavg(), "missed": missed(result)}
    print(json.dumps(result, indent=1))
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(result, indent=1))
    sys.exit(1 if result["missed"] and not given.small else 0)


if __name__ == "__main__":
    main()
