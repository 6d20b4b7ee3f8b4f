"""The work of an extract job: a file's entities from its description, segment by segment or as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ray_jobs.engines.roles import Extractor
from ray_jobs.stages.extract import Extracted, ExtractRequest, passages
from ray_jobs.turns import Turn
from services.core.jobs import Job
from services.core.library.descriptions import DescribedSegment, Descriptions
from services.core.library.entities import Entities, Extraction
from services.core.media import Span
from services.core.store.database import Database

SEGMENTS_AT_ONCE = 100  # whose descriptions are read together


class ExtractionWork:
    def __init__(self, database: Database, extractor: Extractor) -> None:
        self._entities = Entities(database)
        self._descriptions = Descriptions(database)
        self._extractor = extractor

    async def run(self, job: Job, owner: str, begin: Callable[[Sequence[Span]], Turn] | None = None) -> None:
        """Goes on at the first segment that has no record. Raises what the engine raises, and TurnOverError.

        begin: gives the turn for what is left to do; without it the job is worked on to its end.
        """
        extraction = await self._entities.find(job.subject_id)
        if extraction is None or extraction.status == "completed":
            return
        missing = await self._entities.start(job, owner)
        if extraction.config.level == "video":
            described = await self._descriptions.described(extraction.description_id)
            made = await self._extract(extraction, described)
            await self._entities.write_file(
                job, owner, extraction, made.entities, made.sources, segments_done=len(described)
            )
        else:
            turn = begin([segment.span for segment in missing]) if begin is not None else None
            for first in range(0, len(missing), SEGMENTS_AT_ONCE):
                ids = [segment.id for segment in missing[first : first + SEGMENTS_AT_ONCE]]
                for item in await self._descriptions.described(extraction.description_id, ids):
                    if turn is not None:
                        if await turn.is_over():
                            raise turn.end()
                        turn.begin(item.segment.span)
                    made = await self._extract(extraction, [item])
                    await self._entities.write_segment(
                        job, owner, extraction, item.segment.id, made.entities, made.sources
                    )
        await self._entities.finish(job, owner)

    async def set_failed(self, job: Job, message: str) -> None:
        await self._entities.set_failed(job.subject_id, message)

    async def _extract(self, extraction: Extraction, described: Sequence[DescribedSegment]) -> Extracted:
        config = extraction.config
        found = passages(described, is_transcript_only=config.is_transcript_only)
        return await self._extractor.extract(ExtractRequest(config.schema, config.prompt, found, extraction.tenant_id))
