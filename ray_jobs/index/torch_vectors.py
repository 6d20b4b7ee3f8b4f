"""Vectors on a GPU, or wherever PyTorch computes: a first pass by float16 products, then exact scores of the best."""

from __future__ import annotations

from typing import Any

import numpy as np

from ray_jobs.index.recorded import Recorded
from ray_jobs.index.vectors import Vectors

COARSE_FROM = 16_384  # vectors; all of fewer are scored exactly
GROUP = 32  # rows of which the first pass keeps the best score
GROUPS = 16  # of which, again, the best is kept
SPARE = 8  # groups looked into beyond those that the hits are sure to lie in
WIDER = 4
# Of unit vectors: rounding each of the two, and their product, to 11 bits costs 2**-11 of one at most; a third more for sums.
ERROR = 2.0**-9
SCORES = 2**28  # of the first pass, held at a time
EXACT_FLOATS = 2**26  # gathered or scored at a time
RECORDED_QUERIES = 16  # of a batch whose pass is recorded; larger ones keep the GPU busy while they start
GATHERED = 65_536  # rows of a narrowed search that are scored by themselves; with more, the pass masks the others


class TorchVectors(Vectors):
    """Searched where PyTorch's device is; a copy in memory serves snapshots and the ranking of candidates.

    The `depth` best rows lie in the `depth` groups whose best rows are the best: only these groups are scored exactly. Where
    what rounding may hide could still change the answer, more groups are looked into, and at last every row is.
    """

    def __init__(self, dimensions: int, device: str, *, coarse_from: int = COARSE_FROM) -> None:
        import torch

        super().__init__(dimensions)
        self.drop_bytes()
        self._device = torch.device(device)
        self._coarse_from = coarse_from
        self._recorded = Recorded()
        self._held = torch.empty(0, dimensions, device=self._device)
        self._half = torch.empty(0, dimensions, dtype=torch.float16, device=self._device)

    def add(self, vectors: np.ndarray) -> None:
        first = self.count
        super().add(vectors)
        self._reserve(self.count)
        new = self._on_device(vectors)
        self._held[first : self.count] = new
        self._half[first : self.count] = new
        self._recorded.forget()

    def make_bytes(self, limit: int) -> bool:
        return False

    def search(self, queries: np.ndarray, depth: int) -> list[tuple[np.ndarray, np.ndarray]]:
        depth = min(depth, self.count)
        self.looked_at += self.count * len(queries)
        return self._searched(queries, depth, None)

    def search_some(self, query: np.ndarray, depth: int, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of few rows, no other is scored; else the pass masks what is not kept."""
        import torch

        total = int(kept.sum())
        depth = min(depth, total)
        if total > GATHERED:
            self.looked_at += self.count
            return self._searched(query[None], depth, torch.from_numpy(kept).to(self._device))[0]
        self.looked_at += total
        rows = torch.from_numpy(np.flatnonzero(kept)).to(self._device)
        best = (self._held[rows] @ self._on_device(query)).topk(depth)
        return best.values.cpu().numpy(), rows[best.indices].cpu().numpy()

    def _searched(self, queries: np.ndarray, depth: int, kept: Any) -> list[tuple[np.ndarray, np.ndarray]]:
        if not depth:
            return [(np.empty(0, np.float32), np.empty(0, np.int64)) for _ in queries]
        wide = depth + SPARE
        if self.count < self._coarse_from or wide * GROUP * WIDER > self.count:
            return self._exact(queries, depth, kept)
        answers = []
        step = max(1, SCORES // len(self._half) * GROUP)
        for first in range(0, len(queries), step):
            answers += self._from_coarse(queries[first : first + step], depth, wide, kept)
        return answers

    def _from_coarse(
        self, queries: np.ndarray, depth: int, wide: int, kept: Any
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        if kept is None and len(queries) <= RECORDED_QUERIES and self._device.type == "cuda":
            kind = (len(queries), depth, wide)
            left = self._recorded.call(kind, lambda asked: self._found(asked, depth, wide, None), _floats(queries))
        else:
            left = self._found(self._on_device(queries), depth, wide, kept)
        found = left.cpu().numpy()
        answers = list(
            zip(found[:, :depth].view(np.float32), found[:, depth : 2 * depth].astype(np.int64), strict=True)
        )
        unsure = np.flatnonzero(found[:, -1] == 0)
        if len(unsure):
            wide *= WIDER
            is_worth_it = wide * GROUP * WIDER <= self.count
            again = (
                self._from_coarse(queries[unsure], depth, wide, kept)
                if is_worth_it
                else self._exact(queries[unsure], depth, kept)
            )
            for number, answer in zip(unsure.tolist(), again, strict=True):
                answers[number] = answer
        return answers

    def _found(self, asked: Any, depth: int, wide: int, kept: Any) -> Any:
        """int32 [queries, 2 * depth + 1]: the bits of scores, rows, and whether no other row can be among them.

        In one tensor, as each transfer costs as much as a small kernel.
        """
        import torch

        best, groups = self._best_groups(self._maxima(asked, kept), wide + 1)
        scores, rows = self._scored(asked, groups[:, :wide], depth, kept)
        is_sure = scores[:, -1] >= best[:, wide].float() + ERROR
        return torch.cat((scores.view(torch.int32), rows.int(), is_sure.int()[:, None]), 1)

    def _maxima(self, asked: Any, kept: Any) -> Any:
        """float16 [queries, groups]: the best score of each group of rows."""
        import torch

        half = asked.half()
        maxima = torch.empty(len(asked), len(self._half) // GROUP, dtype=torch.float16, device=self._device)
        step = max(GROUP, SCORES // len(asked) // GROUP * GROUP)
        for first in range(0, len(self._half), step):
            rows = self._half[first : first + step]
            scores = half @ rows.T
            if first + len(rows) > self.count:
                scores[:, max(0, self.count - first) :] = -torch.inf
            if kept is not None:
                some = kept[first : first + len(rows)]
                scores[:, : len(some)].masked_fill_(~some, -torch.inf)
            at = first // GROUP
            torch.amax(scores.view(len(asked), -1, GROUP), 2, out=maxima[:, at : at + len(rows) // GROUP])
        return maxima

    def _best_groups(self, maxima: Any, wide: int) -> tuple[Any, Any]:
        """(best scores, groups) of the `wide` best groups, by way of the best of every GROUPS of them."""
        import torch

        many = maxima.view(len(maxima), -1, GROUPS)
        if many.shape[1] <= wide:
            return tuple(maxima.topk(wide))
        above = many.amax(2).topk(wide).indices
        within = torch.arange(GROUPS, device=self._device)
        candidates = (above[:, :, None] * GROUPS + within).view(len(maxima), -1)
        best = maxima.gather(1, candidates).topk(wide)
        return best.values, candidates.gather(1, best.indices)

    def _scored(self, asked: Any, groups: Any, depth: int, kept: Any) -> tuple[Any, Any]:
        """(float32 [queries, depth], int64 [queries, depth]): the best scores and rows of some groups of each query."""
        import torch

        within = torch.arange(GROUP, device=self._device)
        rows = (groups[:, :, None] * GROUP + within).view(len(asked), -1)
        scores = torch.empty(rows.shape, device=self._device)
        step = max(1, EXACT_FLOATS // (rows.shape[1] * asked.shape[1]))
        for first in range(0, len(asked), step):
            some = slice(first, first + step)
            scores[some] = torch.bmm(self._held[rows[some]], asked[some, :, None])[:, :, 0]
        self._mask(scores, rows, kept)
        best = scores.topk(depth)
        return best.values, rows.gather(1, best.indices)

    def _mask(self, scores: Any, rows: Any, kept: Any) -> None:
        import torch

        scores.masked_fill_(rows >= self.count, -torch.inf)
        if kept is not None:
            scores.masked_fill_(~kept[rows.clamp(max=self.count - 1)], -torch.inf)

    def _exact(self, queries: np.ndarray, depth: int, kept: Any) -> list[tuple[np.ndarray, np.ndarray]]:
        import torch

        answers: list[tuple[np.ndarray, np.ndarray]] = []
        step = max(1, EXACT_FLOATS // self.count)
        for first in range(0, len(queries), step):
            scores = self._on_device(queries[first : first + step]) @ self._held[: self.count].T
            if kept is not None:
                scores.masked_fill_(~kept, -torch.inf)
            best = scores.topk(depth)
            answers += zip(best.values.cpu().numpy(), best.indices.cpu().numpy(), strict=True)
        return answers

    def _on_device(self, values: np.ndarray) -> Any:
        import torch

        return torch.from_numpy(_floats(values)).to(self._device)

    def _reserve(self, count: int) -> None:
        """Room for so many rows, in whole groups of groups; doubled, so that rows are moved seldom."""
        import torch

        have = len(self._half)
        if count <= have:
            return
        room = max(count, 2 * have)
        room += -room % (GROUP * GROUPS)
        for name in ("_held", "_half"):
            old = getattr(self, name)
            new = torch.zeros(room, self._dimensions, dtype=old.dtype, device=self._device)
            new[:have] = old
            setattr(self, name, new)


def _floats(values: np.ndarray) -> np.ndarray:
    """A copy that PyTorch may take over."""
    return np.array(values, np.float32)
