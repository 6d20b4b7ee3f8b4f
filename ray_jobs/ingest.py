"""The ingest application: claims jobs, probes files, describes and extracts, and writes each result at once."""

from __future__ import annotations

import asyncio
import functools
import itertools
import math
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from uuid import uuid4

import structlog

from ray_jobs.claims import Claims
from ray_jobs.extraction import ExtractionWork
from ray_jobs.idle_workers import IdleWorkers
from ray_jobs.job_traces import logged, traced
from ray_jobs.pipeline import Pipeline, seen_embeddings
from ray_jobs.places import Places
from ray_jobs.progress import Progress
from ray_jobs.retries import MOST_LOST, PERMANENT, TRANSIENT, Retries, StageLostError, WorkerLostError, first_error
from ray_jobs.stages.decode import decode_frames
from ray_jobs.stages.probe import ProbeLimits, probe
from ray_jobs.stages.segmentation import segment_spans
from ray_jobs.stages.texts import full_text, pieces
from ray_jobs.stages.thumbnails import thumbnail_jpeg, thumbnail_size
from ray_jobs.turns import Turn, TurnOverError
from services.core.errors import ArcusError, MediaError, Reason
from services.core.jobs import KINDS, TURN_SECONDS, Job, JobKind, Jobs, LeaseLostError
from services.core.library.descriptions import Description, Descriptions, NewEmbedding
from services.core.library.files import File, Files
from services.core.library.segmentations import parse_segmentation
from services.core.library.segments import Segment
from services.core.library.thumbnails import NewThumbnail
from services.core.media import DescribeConfig, MediaInfo
from services.core.settings import Settings
from services.core.store.database import DamagedDatabaseError, Database
from services.core.store.deletions import sweep
from services.core.store.objects import Objects
from services.core.tenants.plans import Plans, load_plans
from services.core.tenants.totals import Totals

SWEEP_SECONDS = 5.0
FORGET_EVERY = 120  # sweeps between looks at old jobs
MAX_KEPT_VECTORS = 2_000  # of one description, 1.5 KB each
log = structlog.get_logger()


class IngestWorker:
    """Runs jobs until cancelled. Everything it holds can be lost: a job's lease runs out and another worker goes on."""

    def __init__(
        self,
        settings: Settings,
        pipeline: Pipeline,
        *,
        retries: Retries = Retries(),
        turn_seconds: float = TURN_SECONDS,
    ) -> None:
        self._settings = settings
        self._retries = retries
        self._pipeline = pipeline
        self._database = Database(
            settings.database,
            pool_size=settings.database_connections,
            statement_seconds=settings.database_statement_seconds,
        )
        self._objects = Objects(settings.objects, min_free_bytes=0)
        self._jobs = Jobs(self._database, lease_seconds=settings.lease_seconds, turn_seconds=turn_seconds)
        self._totals = Totals(self._database, Plans(self._database, load_plans(settings.plans)))
        self._files = Files(
            self._database, self._objects, max_upload_bytes=settings.max_upload_bytes, totals=self._totals
        )
        self._descriptions = Descriptions(self._database)
        self._places = Places()
        self._idle = IdleWorkers(self._database.notices)
        self._extraction = ExtractionWork(self._database, pipeline)
        self._limits = ProbeLimits(max_duration_seconds=settings.max_duration_seconds, max_pixels=settings.max_pixels)
        self._claiming: set[asyncio.Task[None]] = set()
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self.progress = Progress()
        self._claims = Claims(self._jobs, self.owner, settings.lease_seconds)

    async def run(self) -> None:
        try:
            await self._database.await_schema(math.inf)
            async with asyncio.TaskGroup() as group:
                for number in range(self._settings.ingest_concurrency):
                    self._claiming.add(group.create_task(self._work(KINDS), name=f"ingest-{number}"))
                # Somebody waits for a probe, and it is short: long files of others never hold every place of it.
                self._claiming.add(group.create_task(self._work(("probe",)), name="ingest-probe"))
                group.create_task(self._sweep(), name="ingest-sweep")
                group.create_task(self._database.notices.run(), name="ingest-notices")
        finally:
            await self._database.close()

    async def drain(self, seconds: float) -> None:
        """Begins nothing more: segments under way are written, what is left of their jobs is given back; at the longest
        for so long. `run` is to be cancelled then.
        """
        self._places.is_closed = True
        self._idle.wake_all()
        if self._claiming:
            await asyncio.wait(self._claiming, timeout=seconds)

    async def _work(self, kinds: Sequence[JobKind]) -> None:
        while not self._places.is_closed:
            heard = self._idle.heard
            job = await self._claims.next(kinds)
            if job is None:
                await self._idle.wait(kinds, heard)
            elif self._places.is_closed:
                await self._jobs.release(job, self.owner)
            else:
                self._idle.wake_one(job.kind)  # where there was one there may be more
                with self.progress.job(job.kind), logged(job):
                    await self._run_job(job)

    async def _run_job(self, job: Job) -> None:
        work = asyncio.create_task(traced(job, self._handle(job)), name=f"job-{job.id}")
        lease = asyncio.create_task(self._renew(job, work), name=f"lease-{job.id}")
        try:
            await work
            await self._jobs.finish(job, self.owner)
        except TurnOverError as turn:
            left, owed = turn.seconds_left, turn.seconds_owed
            try:
                await self._jobs.yield_turn(job, self.owner, seconds_left=left, seconds_owed=owed)
            except ArcusError:  # its lease runs out
                log.info("job_dropped")
        except LeaseLostError:
            log.info("job_dropped")
        except asyncio.CancelledError:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            task = asyncio.current_task()
            if task is not None and task.cancelling():  # we are told to stop, not the job
                await asyncio.shield(self._jobs.release(job, self.owner))
                raise
            log.info("job_dropped")
        except Exception as error:
            try:
                await self._failed(job, error)
            except ArcusError as unwritten:  # its lease runs out, and it is taken up again
                log.warning("failure_not_written", reason=unwritten.reason, error=repr(error)[:2000])
        finally:
            lease.cancel()

    async def _renew(self, job: Job, work: asyncio.Task) -> None:
        renewed = monotonic()
        while True:
            await asyncio.sleep(self._settings.lease_seconds / 3)
            try:
                held = await self._jobs.renew(job, self.owner)
            except ArcusError:
                continue  # the fence at each write decides
            self._claims.answered(renewed)
            renewed = monotonic()
            if not held:
                work.cancel()
                return

    async def _failed(self, job: Job, error: Exception) -> None:
        tries = await self._jobs.tries(job)
        if isinstance(error, StageLostError) and tries >= MOST_LOST:
            error = WorkerLostError(tries)
        permanent = isinstance(error, WorkerLostError | DamagedDatabaseError) or (
            isinstance(error, ArcusError) and error.reason in PERMANENT
        )
        # What is unexpected is for the log; a person is told that it is not the file's fault.
        message = (
            error.message if isinstance(error, ArcusError) else "an internal error of the server; its log says more"
        )
        retries = self._retries
        is_transient = not permanent and isinstance(error, ArcusError) and error.reason in TRANSIENT
        if (
            is_transient
            and not isinstance(error, StageLostError)
            and await self._jobs.postpone(
                job, self.owner, delay_seconds=retries.postponed_seconds, error=message, most=retries.most_postponed
            )
        ):
            log.warning("job_postponed", kind=job.kind, error=message)
            return
        if not permanent and tries < self._settings.max_attempts:
            delay_seconds = retries.pauses_seconds[min(tries, len(retries.pauses_seconds)) - 1]
            log.warning("job_retried", kind=job.kind, tries=tries, error=repr(error)[:2000])
            await self._jobs.retry(job, self.owner, delay_seconds=delay_seconds, error=message)
            return
        if not permanent:
            log.error("job_failed", kind=job.kind, error=repr(error)[:2000])
            message = f"Processing failed {tries} times, the last time with {message[:300]}"
        await self._fail_subject(job, message)
        await self._jobs.finish(job, self.owner, error=message)

    async def _fail_subject(self, job: Job, message: str) -> None:
        if job.kind == "probe":
            await self._files.set_failed(job.subject_id, message)
        elif job.kind == "extract":
            await self._extraction.set_failed(job, message)
        else:
            await self._descriptions.set_failed(job.subject_id, message)

    async def _handle(self, job: Job) -> None:
        if job.tries > (MOST_LOST if job.was_lost else self._settings.max_attempts):
            raise WorkerLostError(job.tries - 1)
        async with self._places.place(alone=job.tries > 1):
            if job.kind == "probe":
                await self._probe(job)
            elif job.kind == "extract":
                await self._extraction.run(job, self.owner, functools.partial(Turn, self._jobs, job, self._places))
            else:
                await self._describe(job)

    async def _probe(self, job: Job) -> None:
        file = await self._files.find(job.subject_id)
        if file is None or file.status == "completed":
            return
        await self._files.set_processing(file.id)
        await self._check_object(file)
        async with self._objects.local_path(file.object_key) as path:
            most = (await self._totals.limits(file.tenant_id)).file_seconds
            with self.progress.times.stage("probe"):
                info = await asyncio.to_thread(probe, path, self._limits.within(most))
            if info.media_type == "image":
                raise MediaError("This is a picture; upload a video or an audio file.")
            thumbnail = await self._default_thumbnail(file, path, info)
        await self._files.set_probed(file.id, info, thumbnail)
        if thumbnail is not None:
            await self._discard_unless_known(file, thumbnail.object_key)

    async def _check_object(self, file: File) -> None:
        await self._objects.check(file.object_key, file.size_bytes, file.sha256)

    async def _default_thumbnail(self, file: File, path: Path, info: MediaInfo) -> NewThumbnail | None:
        if info.media_type != "video":
            return None
        time = min(info.duration_seconds * 0.1, 10.0)
        try:
            frames = await asyncio.to_thread(decode_frames, path, info, [time], self._settings.frame_max_side)
        except MediaError:
            return None
        return await self._keep_thumbnail(file, "default", frames.images[0], float(frames.times[0]))

    async def _keep_thumbnail(self, file: File, name: str, image, time: float) -> NewThumbnail:
        width, height = thumbnail_size(image)
        key = f"{_folder(file)}/thumbnails/{name}.jpg"
        await self._objects.put(key, await asyncio.to_thread(thumbnail_jpeg, image))
        return NewThumbnail(time, width, height, key)

    async def _describe(self, job: Job) -> None:
        description = await self._descriptions.find(job.subject_id)
        if description is None:
            return
        file = await self._files.find(description.file_id)
        if file is None or file.media_info is None:
            return
        info = file.media_info
        if description.status == "completed":
            await self._add_pictures(job, file, info, description)
            return
        await self._check_object(file)
        missing = await self._descriptions.start(job, self.owner)
        if not missing and not await self._descriptions.has_segments(description.segmentation_id):
            cut = parse_segmentation(await self._descriptions.segmentation_config(description.segmentation_id))
            async with self._objects.local_path(file.object_key) as path:
                with self.progress.times.stage("cut"):
                    spans = await asyncio.to_thread(segment_spans, cut, info, path)
            if not spans:
                raise MediaError(
                    "The segmentation leaves nothing of this file; widen its limits.", Reason.INVALID_ARGUMENT
                )
            missing = await self._descriptions.start(job, self.owner, spans)
        pictures = await self._descriptions.wants_pictures(description.id)
        vectors: dict[str, bytes] = {}
        places = asyncio.Semaphore(self._settings.segments_in_flight)
        turn = Turn(self._jobs, job, self._places, [segment.span for segment in missing])
        is_over = False
        async with first_error(), asyncio.TaskGroup() as group:
            for segment in missing:
                await places.acquire()
                if is_over := await turn.is_over():
                    break
                turn.begin(segment.span)
                config = description.describe_config
                work = self._describe_segment(job, file, info, segment, config, pictures, vectors)
                task = group.create_task(work)
                task.add_done_callback(lambda _: places.release())
        await self._check_object(file)  # what was cut short meanwhile may have read as shorter
        if is_over:
            raise turn.end()
        await self._descriptions.set_stage(job, self.owner, "summarise")
        title = summary = ""
        if description.describe_config.enable_summary:
            title, summary = await self._summarise(description.id, file, info)
        await self._descriptions.finish(job, self.owner, title=title, summary=summary)
        if not pictures:  # a collection that wants them may have come meanwhile
            await self._add_pictures(job, file, info, description)

    async def _describe_segment(
        self,
        job: Job,
        file: File,
        info: MediaInfo,
        segment: Segment,
        config: DescribeConfig,
        picture: bool,
        vectors: dict[str, bytes],
    ) -> None:
        """`vectors`: those of texts that were embedded for other segments of this description."""
        described = await self._pipeline.describe(
            file.tenant_id, file.object_key, info, segment.span, config, thumbnail=picture
        )
        found = pieces(described.content, segment.span)
        # A slide that stays over several segments has the same lines in each.
        unknown = list(dict.fromkeys(piece.text for piece in found if piece.text not in vectors))
        if unknown:
            made = dict(zip(unknown, await self._pipeline.embed(unknown), strict=True))
            vectors.update(itertools.islice(made.items(), max(0, MAX_KEPT_VECTORS - len(vectors))))
        else:
            made = {}
        thumbnail = None
        if described.thumbnail:
            key = f"{_folder(file)}/thumbnails/{segment.id}.jpg"
            await self._objects.put(key, described.thumbnail)
            thumbnail = NewThumbnail(described.time, described.width, described.height, key)
        try:
            await self._descriptions.write_segment(
                job,
                self.owner,
                segment,
                described.content,
                full_text(described.content),
                [
                    NewEmbedding(
                        piece.kind,
                        piece.quoted,
                        piece.start_time,
                        piece.end_time,
                        made.get(piece.text) or vectors[piece.text],
                    )
                    for piece in found
                ]
                + seen_embeddings(described.seen),
                thumbnail,
            )
            self.progress.video_seconds += segment.span.duration
        except BaseException:
            if thumbnail is not None:
                await asyncio.shield(self._discard_unless_known(file, thumbnail.object_key))
            raise

    async def _add_pictures(self, job: Job, file: File, info: MediaInfo, description: Description) -> None:
        """Makes the pictures that a collection wants of segments which were described without."""
        if info.media_type != "video" or not await self._descriptions.wants_pictures(description.id):
            return
        async with self._objects.local_path(file.object_key) as path:
            for segment in await self._descriptions.unpictured(description.segmentation_id):
                middle = (segment.start_time + segment.end_time) / 2
                try:
                    frames = await asyncio.to_thread(decode_frames, path, info, [middle], self._settings.frame_max_side)
                except MediaError:  # a part of the file that is damaged
                    continue
                picture = await self._keep_thumbnail(file, segment.id, frames.images[0], float(frames.times[0]))
                try:
                    await self._descriptions.write_picture(job, self.owner, segment, picture)
                except BaseException:
                    await asyncio.shield(self._discard_unless_known(file, picture.object_key))
                    raise

    async def _discard_unless_known(self, file: File, key: str) -> None:
        """Deletes a picture whose row was not written, as happens when what it belongs to is deleted meanwhile."""
        if await self._descriptions.has_thumbnail(key):
            return
        await self._objects.delete(key)
        if await self._files.find(file.id) is None:
            await self._objects.delete_prefix(_folder(file))

    async def _summarise(self, description_id: str, file: File, info: MediaInfo) -> tuple[str, str]:
        contents = [item.content for item in await self._descriptions.described(description_id)]
        return await self._pipeline.summarise(file.tenant_id, contents, file.filename, info.duration_seconds)

    async def _sweep(self) -> None:
        for number in itertools.count():
            try:
                await sweep(self._database, self._objects)
                if number % FORGET_EVERY == 0:
                    await self._jobs.forget_finished(older_than_seconds=24 * 3600)
            except ArcusError as error:
                log.warning("sweep_failed", reason=error.reason, cause=str(error.__cause__))
            await asyncio.sleep(SWEEP_SECONDS)


def _folder(file: File) -> str:
    return file.object_key.rsplit("/", 1)[0]
