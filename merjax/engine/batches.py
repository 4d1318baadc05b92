"""The one stream of batches that all runs of a seed consume."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import grain
import numpy as np

from merjax.engine.stage import Batch


class Samples(NamedTuple):
    """What a stage draws batches from.

    Attributes:
        unit_S: the unit (clip) that each of the S samples belongs to.
        gather: sample numbers `[K, B]` -> inputs with a leading axis K.
    """

    unit_S: np.ndarray
    gather: Callable[[np.ndarray], Any]

    def batches(self, sample_KxB: np.ndarray) -> Batch:
        """K batches of the given samples; -1 leaves a place empty."""
        unit_KxB = np.where(sample_KxB >= 0, self.unit_S[sample_KxB], -1)
        return Batch(self.gather(np.maximum(sample_KxB, 0)), unit_KxB.astype(np.int32))


def training_stream(
    samples: Samples, batch: int, steps_per_call: int, seed: int, threads: int, shuffle: bool = True
) -> grain.DatasetIterator:
    """An endless stream of `steps_per_call` batches at a time; its state is small and can be saved.

    If shuffled, each pass over the samples has an order of its own, and a batch may span two passes, so that none is short.
    If not, all passes are alike: batches of the samples in their order, the last one filled up with empty places.
    """
    count = len(samples.unit_S)
    if shuffle:
        numbers = grain.MapDataset.range(count).seed(seed).shuffle()
    else:
        numbers = grain.MapDataset.range(-(-count // batch) * batch).map(lambda s: np.int64(s if s < count else -1))
    calls = numbers.repeat().batch(batch).batch(steps_per_call).map(samples.batches)
    return iter(calls.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=max(1, 2 * threads))))


def call_of(samples: Samples, batch: int, most: int) -> tuple[int, int]:
    """The batch and the number of batches of a call over the samples in order, at most `most`: calls have one size, the last is
    filled up, and the results of what was added are dropped."""
    batch = min(batch, len(samples.unit_S))
    total = -(-len(samples.unit_S) // batch)
    return batch, -(-total // -(-total // most))


def in_order(samples: Samples, batch: int, batches_per_call: int) -> Iterator[tuple[slice, Batch]]:
    """All samples once, in order, as stacked batches of one shape, with the place of their outputs.

    The last batches repeat the last sample where there are too few.
    """
    total, width = len(samples.unit_S), batch * batches_per_call
    for first in range(0, total, width):
        numbers = np.minimum(np.arange(first, first + width), total - 1)
        yield slice(first, min(first + width, total)), samples.batches(numbers.reshape(batches_per_call, batch))
