import asyncio
from collections import Counter

from services.core.jobs import Jobs
from services.core.store.pages import Page
from tests.contract.store_steps import WORKER


async def test_many_workers_take_each_job_once(store):
    files = {(await store.upload(f"{number}.mp4")).id for number in range(30)}
    taken: list[str] = []

    async def work(owner: str) -> None:
        while (job := await store.jobs.claim(owner)) is not None:
            taken.append(job.subject_id)
            await store.jobs.finish(job, owner)

    await asyncio.gather(*(work(f"worker-{number}") for number in range(8)))
    assert len(taken) == 30 and set(taken) == files
    assert await store.jobs.counts() == {("probe", "completed"): 30}


async def test_an_abandoned_job_is_taken_over_and_counted(store):
    await store.upload()
    late = Jobs(store.database, lease_seconds=-1)
    first = await late.claim("slow")
    second = await store.jobs.claim("quick")
    assert (second.id, first.attempts, second.attempts) == (first.id, 1, 2)
    assert await store.jobs.claim("third") is None
    assert not await late.renew(first, "slow") and await store.jobs.renew(second, "quick")
    await late.finish(first, "slow")  # is not its own any more: nothing happens
    assert await store.jobs.counts() == {("probe", "running"): 1}


async def test_one_owner_that_takes_its_job_again_does_not_hold_the_old_lease(store):
    await store.upload()
    late = Jobs(store.database, lease_seconds=-1)
    first = await late.claim("worker")
    second = await store.jobs.claim("worker")
    assert not await store.jobs.renew(first, "worker") and await store.jobs.renew(second, "worker")


async def test_a_renewed_lease_is_not_taken_over(store):
    await store.upload()
    late = Jobs(store.database, lease_seconds=-1)
    job = await late.claim("slow")
    assert await store.jobs.renew(job, "slow")
    assert await store.jobs.claim("quick") is None


async def test_a_released_job_was_not_tried(store):
    await store.upload()
    job = await store.jobs.claim("worker")
    await store.jobs.release(job, "worker")
    assert (await store.jobs.claim("worker")).attempts == 1


async def test_a_job_is_tried_again_when_its_time_has_come(store):
    await store.upload()
    job = await store.jobs.claim("worker")
    await store.jobs.retry(job, "worker", delay_seconds=0, error="The engine was away.")
    again = await store.jobs.claim("worker")
    assert (again.id, again.attempts) == (job.id, 2)
    await store.jobs.retry(again, "worker", delay_seconds=3600, error="The engine was away.")
    assert await store.jobs.claim("worker") is None
    assert await store.jobs.counts() == {("probe", "queued"): 1}


async def test_a_job_that_is_put_off_was_not_tried_but_is_put_off_only_so_often(store):
    await store.upload()
    for number in range(3):
        job = await store.jobs.claim("worker")
        assert (job.attempts, job.postponed) == (1, number)
        away = await store.jobs.postpone(job, "worker", delay_seconds=0, error="The engine is away.", most=2)
        assert away == (number < 2)
    await store.jobs.retry(job, "worker", delay_seconds=0, error="The engine is away.")
    assert (await store.jobs.claim("worker")).attempts == 2


async def test_a_job_that_got_on_may_be_put_off_as_often_again(store):
    collection, file = await store.collection(), await store.ready()
    member = await store.members.add(store.tenant, collection.id, file.id)
    job = await store.jobs.claim(WORKER)
    await store.jobs.postpone(job, WORKER, delay_seconds=0, error="The engine is away.", most=9)
    job, segments = await store.begin(member.description_id)
    assert job.postponed == 1
    await store.write(job, segments[0])
    await store.jobs.postpone(job, WORKER, delay_seconds=0, error="The engine is away.", most=9)
    assert (await store.jobs.claim(WORKER)).postponed == 1


async def test_a_tenant_with_much_to_do_does_not_keep_others_waiting(store):
    for number in range(6):
        await store.upload(f"{number}.mp4")
    for number in range(2):
        await store.upload(f"{number}.mp4", tenant=store.other)
    order = [(await store.jobs.claim(f"worker-{number}")).tenant_id for number in range(6)]
    assert Counter(order[:4]) == {store.tenant: 2, store.other: 2}
    assert order[4:] == [store.tenant] * 2


async def test_a_probe_goes_before_a_description(store):
    collection, first = await store.collection(), await store.ready("1.mp4")
    await store.members.add(store.tenant, collection.id, first.id)
    await store.upload("2.mp4")
    assert [(await store.jobs.claim("worker")).kind for _ in range(2)] == ["probe", "describe"]


async def test_adding_a_file_to_many_collections_at_once_queues_one_job(store):
    file = await store.ready()
    collections = [await store.collection(f"{number}") for number in range(5)]
    await asyncio.gather(*(store.members.add(store.tenant, collection.id, file.id) for collection in collections))
    assert await store.jobs.counts() == {("probe", "completed"): 1, ("describe", "queued"): 1}


async def test_what_is_wanted_of_a_running_job_is_done_after_it(store):
    """Between a worker's failing a description and its ending the job, another collection may ask for the same."""
    collection, file = await store.collection("a"), await store.ready()
    member = await store.members.add(store.tenant, collection.id, file.id)
    first, _ = await store.begin(member.description_id)
    await store.descriptions.set_failed(member.description_id, "The engine is broken.")
    other = await store.collection("b")
    again = await store.members.add(store.tenant, other.id, file.id)
    assert again.description_id == member.description_id and again.status == "pending"
    assert await store.jobs.claim(WORKER) is None, "two workers are never at one description"
    await store.jobs.finish(first, WORKER, error="The engine is broken.")
    await store.describe(again.description_id)
    assert (await store.members.get(store.tenant, collection.id, file.id)).status == "completed"


async def test_finished_jobs_are_forgotten_in_time(store):
    await store.upload("1.mp4")
    await store.upload("2.mp4")
    await store.jobs.finish(await store.jobs.claim("worker"), "worker", error="It is broken.")
    await store.jobs.forget_finished(older_than_seconds=3600)
    assert await store.jobs.counts() == {("probe", "failed"): 1, ("probe", "queued"): 1}
    await store.jobs.forget_finished(older_than_seconds=-1)
    assert await store.jobs.counts() == {("probe", "queued"): 1}
    assert (await store.files.list(store.tenant, Page())).total == 2
