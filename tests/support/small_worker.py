"""A sweep over the small experiment as a process of its own, to be killed: `python tests/support/small_worker.py FOLDER [I/N]
[RULES [NETWORKS [TRIALS]]]`, RULES being rules of selection, as in `fixed+inner`, NETWORKS "tiny" or "paper", and TRIALS
"apart" or "shared": three trials and two seeds with a stage in common.

Prints a line per call (`call CHUNK STAGE STEP`) and per warning (`warning ...`). In the end it says, to stderr,
`programs ASKED FOUND`: how many programs it had to have compiled, and how many of them were in the cache already.
"""

import sys
from collections import Counter
from pathlib import Path

import jax
from support.quickly import compile_quickly
from support.small_experiment import BASE, SHARED, small_plan, use_small_experiment

from merjax.engine import Progress
from merjax.sweeps.plan import Chunk
from merjax.sweeps.running.listener import Listener
from merjax.sweeps.running.shards import parse_shard
from merjax.sweeps.running.take_chunks import take_chunks
from merjax.system.errors import command
from merjax.system.jax_setup import prepare_backend
from merjax.system.signals import Interrupted, stop_requests
from merjax.training.selection import training_name


class Printer(Listener):
    def called(self, chunk: Chunk, progress: Progress) -> None:
        print("call", chunk.number, training_name(progress.stage, progress.inner), progress.step, flush=True)

    def warned(self, sentence: str) -> None:
        print("warning", sentence, flush=True)


@command
def main() -> None:
    folder, shard = Path(sys.argv[1]), parse_shard(sys.argv[2] if len(sys.argv) > 2 else "1/1")
    paper = sys.argv[4:] == ["paper"]
    if not paper:
        compile_quickly()
    prepare_backend()
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    events: Counter[str] = Counter()
    jax.monitoring.register_event_listener(lambda event, **about: events.update([event.rpartition("/")[2]]))
    use_small_experiment(networks="paper" if paper else "tiny")
    base = BASE | {"selection": {"rules": sys.argv[3].split("+"), "looks": 5}} if len(sys.argv) > 3 else BASE
    if sys.argv[5:] == ["shared"]:
        small_plan(folder, base=base, trials=SHARED, seeds=2)
    else:
        small_plan(folder, base=base, trials={"focal": {"loss.gamma": 2}, "cross-entropy": {"loss.gamma": 0}})
    with stop_requests() as stop:
        try:
            take_chunks(folder, Printer(), stop, shard)
        except Interrupted:
            sys.exit(stop.exit_code)
    print("programs", events["compile_requests_use_cache"], events["cache_hits"], file=sys.stderr)


main()
