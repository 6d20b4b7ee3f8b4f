"""Records of four unlike domains, and what a query over them tells: Python's own count is the measure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from services.core.library.catalog import CatalogFile
from services.core.library.holdings import EntityRecords, MemberFiles
from services.core.media import MediaInfo
from services.nimbus.entities.catalog import catalog_tables
from services.nimbus.entities.tables import EntityCollection, EntityTables, build_tables

SUBTITLED = ("harbour.mp4", "tower.mp4", "alley.mp4")


def catalog() -> list[CatalogFile]:
    made = [
        ("harbour.mp4", 95.0, True, False, "2024-02-10", ("coast",)),
        ("cliff.mp4", 61.5, False, True, "2024-03-05", ("coast", "best of")),
        ("market.mp4", 240.0, True, True, "2024-06-11", ("town",)),
        ("alley.mp4", 12.0, False, False, "2024-06-12", ()),
        ("tower.mp4", 600.0, None, None, "2023-12-31", ("town",)),
    ]
    return [
        CatalogFile(
            name,
            name,
            "completed",
            _milliseconds(day),
            {"camera": "Ana" if name < "d" else "Teo", "takes": len(name)},
            MediaInfo(
                "video", length, "mp4", has_audio=bool(speech), width=640, height=360, has_subtitles=name in SUBTITLED
            ),
            name.removesuffix(".mp4").title(),
            collections,
            speech,
            text,
        )
        for name, length, speech, text, day, collections in made
    ]


def _milliseconds(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


def tables_of_catalog() -> EntityTables:
    return catalog_tables(catalog())


def _schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


TEXT, NUMBER, INTEGER, FLAG = ({"type": kind} for kind in ("string", "number", "integer", "boolean"))
TEXTS = {"type": "array", "items": TEXT}
DATE = {"type": "string", "format": "date"}

DOMAINS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "workshop": (
        _schema(machine=TEXT, mechanic=TEXT, defects=INTEGER, cost_eur=NUMBER, under_warranty=FLAG, parts=TEXTS,
                repaired_on=DATE),
        [
            {"machine": "lathe", "mechanic": "Petra Voss", "defects": 3, "cost_eur": 240.5, "under_warranty": True,
             "parts": ["belt", "bearing"], "repaired_on": "2023-11-02"},
            {"machine": "lathe", "mechanic": "Juan Rey", "defects": 1, "cost_eur": 80.0, "under_warranty": False,
             "parts": ["belt"], "repaired_on": "2024-01-15"},
            {"machine": "drill", "mechanic": "Petra Voss", "defects": 5, "cost_eur": 410.0, "under_warranty": False,
             "parts": ["motor", "switch"], "repaired_on": "2024-02-20"},
            {"machine": "saw", "mechanic": "Lin Tao", "defects": 2, "cost_eur": 120.0, "under_warranty": True,
             "parts": ["blade"], "repaired_on": "2024-05-06"},
        ],
    ),
    "birds": (
        _schema(species=TEXT, habitat=TEXT, wingspan_cm=NUMBER, endangered=FLAG, observer=TEXT),
        [
            {"species": "heron", "habitat": "wetland", "wingspan_cm": 185.0, "endangered": False, "observer": "Ida"},
            {"species": "kestrel", "habitat": "farmland", "wingspan_cm": 76.0, "endangered": False, "observer": "Ida"},
            {"species": "bittern", "habitat": "wetland", "wingspan_cm": 130.0, "endangered": True, "observer": "Omar"},
            {"species": "osprey", "habitat": "lake", "wingspan_cm": 170.0, "endangered": True, "observer": "Omar"},
        ],
    ),
    "court": (
        _schema(judge=TEXT, verdict=TEXT, fine_usd=NUMBER, appealed=FLAG, hearing_date=DATE),
        [
            {"judge": "Adams", "verdict": "guilty", "fine_usd": 5000.0, "appealed": True, "hearing_date": "2022-04-01"},
            {"judge": "Adams", "verdict": "acquitted", "fine_usd": 0.0, "appealed": False, "hearing_date": "2023-06-09"},
            {"judge": "Kaya", "verdict": "guilty", "fine_usd": 1200.0, "appealed": False, "hearing_date": "2023-09-30"},
        ],
    ),
    "greenhouse": (
        _schema(plant=TEXT, gardener=TEXT, height_cm=NUMBER, watered=FLAG, pests=TEXTS),
        [
            {"plant": "tomato", "gardener": "Yuki", "height_cm": 120.0, "watered": True, "pests": ["aphids"]},
            {"plant": "basil", "gardener": "Sam", "height_cm": 35.0, "watered": False, "pests": []},
            {"plant": "pepper", "gardener": "Yuki", "height_cm": 60.0, "watered": True, "pests": ["aphids", "mites"]},
        ],
    ),
    "crossings": (
        _schema(
            ferry=TEXT,
            captain={**TEXT, "description": "Who steers the ship"},
            inspector={**TEXT, "description": "Official who checks the boats"},
            distance_km=NUMBER,
            mate={**TEXT, "description": "Person who leads the crew"},
            toll_eur=INTEGER,
            voyage_minutes={**INTEGER, "description": "Time under sail"},
            channel_m={**NUMBER, "description": "Depth of the channel"},
            cargo_kg={**NUMBER, "description": "Weight of the cargo"},
            passengers={**INTEGER, "description": "People on board"},
            at_night={**FLAG, "description": "Under way in the dark, after sunset"},
            repeat_trip=FLAG,
            ports={**TEXTS, "description": "Where the ship calls"},
            sailed_on=DATE,
        ),
        [
            {"ferry": "Astrid", "captain": "Mona Lind", "inspector": "Per Holm", "distance_km": 42.0,
            "toll_eur": 80, "voyage_minutes": 95, "mate": "Ulla Rask", "channel_m": 18.5, "cargo_kg": 900.0, "passengers": 310,
             "at_night": True, "repeat_trip": False, "ports": ["Visby"], "sailed_on": "2023-02-03"},
            {"ferry": "Bente", "captain": "Mona Lind", "inspector": "Ida Kvist", "distance_km": 96.5,
            "toll_eur": 140, "voyage_minutes": 240, "mate": "Ulla Rask", "channel_m": 22.0, "cargo_kg": 4000.0, "passengers": 120,
             "at_night": False, "repeat_trip": True, "ports": ["Visby", "Nynas"], "sailed_on": "2023-07-19"},
            {"ferry": "Clara", "captain": "Ove Dahl", "inspector": "Per Holm", "distance_km": 12.0,
            "toll_eur": 35, "voyage_minutes": 41, "mate": "Sven Gran", "channel_m": 31.0, "cargo_kg": 250.0, "passengers": 75,
             "at_night": True, "repeat_trip": False, "ports": ["Nynas"], "sailed_on": "2024-03-08"},
        ],
    ),
}  # fmt: skip


def tables_of(domain: str, records: list[dict[str, Any]] | None = None) -> EntityTables:
    schema, known = DOMAINS[domain]
    records = known if records is None else records
    files = [
        (domain, f"{number}", f"{domain}_{number}.mp4", 60.0 + number, 0, "{}", "completed")
        for number in range(len(records))
    ]
    rows = [(domain, f"{number}", None, None, None, json.dumps(record)) for number, record in enumerate(records)]
    # What a collection is said to hold names nothing: it must not turn a bird into a bolt.
    collection = EntityCollection(domain, domain, "Films of bolts and screws", schema)
    return build_tables([collection], MemberFiles(*zip(*files, strict=True)), EntityRecords(*zip(*rows, strict=True)))
