"""Frames reach the process of a model where they were decoded; a ticket that leads nowhere costs nothing but a copy.

The arena lies in the host's memory here, shared between processes as a GPU's is.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ray_jobs.stages import decode, device_frames
from ray_jobs.stages.decode import NvdecDecoder, TableDecoder
from ray_jobs.stages.device_frames import Arena, Taker, shown
from ray_jobs.stages.nvdec import SoftwareSession
from ray_jobs.stages.probe import probe
from ray_jobs.stages.sampling import Sampling, sample_segments
from services.core.media import Span
from tests.media import clip
from tests.running_system import ROOT

CPU = torch.device("cpu")


def images(count: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, 4, 6, 3), dtype=np.uint8))


@pytest.fixture
def arena() -> Iterator[Arena]:
    made = Arena(CPU, 10 * 72)
    yield made
    made.close()


def test_another_process_takes_what_was_put_there(arena: Arena, tmp_path: Path) -> None:
    held = [images(2, seed) for seed in range(3)]
    tickets = [arena.put(each) for each in held]
    (tmp_path / "tickets").write_bytes(pickle.dumps(tickets))
    program = (
        "import pickle, sys; from pathlib import Path; from ray_jobs.stages.device_frames import Taker;"
        "taker, folder = Taker(), Path(sys.argv[1]);"
        "found = [];\n"
        "for ticket in pickle.loads((folder / 'tickets').read_bytes()):\n"
        "    with taker.frames(ticket) as frames: found.append(frames.numpy())\n"
        "(folder / 'found').write_bytes(pickle.dumps(found))"
    )
    paths = f"{ROOT}:{ROOT}/proto"
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, env={**os.environ, "PYTHONPATH": paths})
    found = pickle.loads((tmp_path / "found").read_bytes())
    assert all(np.array_equal(one, other) for one, other in zip(found, held, strict=True))
    assert arena.held_bytes == 0


def test_what_was_taken_is_the_takers_own_and_is_taken_once(arena: Arena) -> None:
    taker, held = Taker(), images(2)
    ticket = arena.put(held)
    with taker.frames(ticket) as frames:
        assert arena.put(torch.zeros_like(images(10))) is not None  # over the same place
        assert torch.equal(frames, held)
    with taker.frames(ticket) as frames:
        assert frames is None
    assert (taker.taken, taker.missed) == (1, 1)


def test_an_arena_holds_no_more_than_it_may_and_room_comes_back(arena: Arena) -> None:
    tickets = [arena.put(images(3, seed)) for seed in range(4)]
    assert tickets[3] is None and arena.held_bytes == 9 * 72
    with Taker().frames(tickets[1]):
        pass
    assert arena.put(images(4)) is None, "four have no room in a row"
    later = arena.put(images(3, 7))
    assert later is not None and later.first == tickets[1].first
    for ticket, seed in ((tickets[0], 0), (later, 7), (tickets[2], 2)):
        with Taker().frames(ticket) as frames:
            assert torch.equal(frames, images(3, seed))


def test_frames_that_nobody_takes_make_room_in_the_end_and_their_ticket_counts_no_more() -> None:
    arena = Arena(CPU, 3 * 72, kept_seconds=0.0)
    ticket = arena.put(images(3))
    time.sleep(0.01)
    assert arena.put(images(3, 1)) is not None
    with Taker().frames(ticket) as frames:
        assert frames is None
    arena.close()


def test_frames_that_are_being_taken_stay_however_late_it_is() -> None:
    arena = Arena(CPU, 3 * 72, kept_seconds=0.0)
    ticket = arena.put(images(3))
    assert ticket is not None
    file = os.open(ticket.lease, os.O_RDONLY)
    fcntl.flock(file, fcntl.LOCK_EX)  # as who takes them does
    time.sleep(0.01)
    assert arena.put(images(3, 1)) is None
    os.close(file)  # also where its process dies
    assert arena.put(images(3, 1)) is not None
    arena.close()


def test_a_taker_holds_no_more_than_it_may(arena: Arena) -> None:
    taker = Taker(limit_bytes=3 * 72)
    first, second = arena.put(images(2)), arena.put(images(2, 1))
    with taker.frames(first) as one, taker.frames(second) as other:
        assert one is not None and other is None
    with taker.frames(second) as other:
        assert torch.equal(other, images(2, 1))


def test_what_a_decoder_that_was_killed_left_goes_and_nothing_else(arena: Arena) -> None:
    program = (
        "import os, torch; from ray_jobs.stages.device_frames import Arena;"
        "arena = Arena(torch.device('cpu'), 1000); print(arena.handle.path, flush=True); os._exit(9)"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/proto"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    left = Path(done.stdout.strip()).parent
    assert done.returncode == 9 and left.is_dir()
    with_owner = Path(arena.handle.path).parent
    Arena(CPU, 1000).close()
    assert with_owner.is_dir() and not left.exists()
    arena.close()
    assert not with_owner.exists()


@pytest.mark.parametrize("change", [{"gpu": "GPU-0", "path": ""}, {"path": "/nowhere/memory"}])
def test_an_arena_that_is_out_of_reach_is_no_error(arena: Arena, change: dict[str, str]) -> None:
    ticket = arena.put(images(1))
    assert ticket is not None
    with Taker().frames(replace(ticket, arena=replace(ticket.arena, name="other", **change))) as frames:
        assert frames is None
    with Taker().frames(replace(ticket, lease="/nowhere/lease")) as frames:
        assert frames is None


def test_a_gpu_is_opened_under_the_number_that_it_has_here() -> None:
    from torch.multiprocessing.reductions import rebuild_cuda_tensor

    names = rebuild_cuda_tensor.__code__.co_varnames
    given = tuple(range(rebuild_cuda_tensor.__code__.co_argcount))
    changed = device_frames._on_device(given, 77)
    assert names[changed.index(77)] == "storage_device" and len(changed) == len(given)


def test_threads_that_put_and_take_never_see_each_others_frames() -> None:
    arena, taker = Arena(CPU, 20 * 72), Taker()

    def work(number: int) -> bool:
        held = images(1 + number % 4, number)
        ticket = arena.put(held)
        with taker.frames(ticket) as frames:
            return frames is None or torch.equal(frames, held)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(400)))
    assert taker.taken > 100 and arena.held_bytes == 0
    arena.close()


async def test_a_segments_frames_are_the_same_on_the_device_and_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    table = TableDecoder({"nvdec": NvdecDecoder(SoftwareSession, 2)}, lambda info, gpu: ["nvdec"], gpu=True)
    monkeypatch.setattr(decode, "table_decoder", lambda: table)
    arena, path = Arena(CPU), clip("uneven_h264.mp4")
    info = probe(path)
    spans = [Span(0.0, info.duration_seconds / 2), Span(info.duration_seconds / 2, info.duration_seconds)]
    sampled = sample_segments([(path, info, span) for span in spans], Sampling(0.3, 16, 128), arena)
    assert [frames.ticket is not None for frames in sampled] == [True, True]
    taker = Taker()
    for frames in sampled:
        async with shown(taker, frames) as seen:
            assert isinstance(seen, torch.Tensor) and np.array_equal(seen.numpy(), frames.images)
            assert len(seen) == len(frames.times) > 1
        async with shown(taker, frames) as seen:
            assert seen is frames.images
        async with shown(None, frames) as seen:
            assert seen is frames.images
    assert taker.taken == 2 and arena.held_bytes == 0
    arena.close()


def test_frames_that_a_processor_decoded_have_no_ticket() -> None:
    arena, path = Arena(CPU), clip("uneven_h264.mp4")
    info = probe(path)
    (frames,) = sample_segments([(path, info, Span(0.0, 1.0))], Sampling(0.3, 16, 128), arena)
    assert frames.ticket is None and len(frames)
    arena.close()


def test_a_ticket_is_small_beside_what_it_stands_for(arena: Arena) -> None:
    assert len(pickle.dumps(arena.put(images(3)))) < 1000


@pytest.mark.gpu
def test_frames_of_a_gpu_reach_another_process_without_the_host(tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("PyTorch sees no GPU here")
    device = torch.device("cuda", 0)
    arena, held = Arena(device, 2**20), images(3).to(device)
    (tmp_path / "ticket").write_bytes(pickle.dumps(arena.put(held)))
    program = (
        "import pickle, sys; from pathlib import Path; from ray_jobs.stages.device_frames import Taker\n"
        "with Taker().frames(pickle.loads(Path(sys.argv[1]).read_bytes())) as frames:\n"
        "    assert frames.is_cuda; print(int(frames.sum()))"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/proto"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "ticket")], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) == int(held.sum()) and arena.held_bytes == 0
    arena.close()
