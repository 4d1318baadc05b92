# ---
# jupyter:
#   jupytext:
#     formats: py:percent,ipynb
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {name: python3, display_name: Python 3}
# ---

# %% [markdown]
# # A first tour of merjax
#
# From two photographs to scores of held-out people: synthesise clips, look at regions and motion, train, look at what the
# networks see. The identities are invented and the motion is a script, so nothing here says anything about people.
#
# Open it with `jupyter lab` (jupytext pairs it with an `.ipynb`), or run it as it is:
# `python -c "exec(open('notebooks/first_tour.py').read())"`.

# %%
import os
from pathlib import Path

import cv2
import jax
import matplotlib.pyplot as plt
import numpy as np

import merjax
from merjax.config import make_config
from merjax.crops import corners, region_boxes
from merjax.datasets import read_casme2
from merjax.engine import Budget, Engine
from merjax.experiment import load_experiment
from merjax.local_regions import spatial_runs
from merjax.preparation import prepare_store
from merjax.regions import REGIONS
from merjax.runs import RunSpec
from merjax.stages.spatial import spatial_stage
from merjax.store import open_store
from merjax.synthesis import default_portraits, synthesize_release

HERE = Path(os.environ.get("MERJAX_TOUR", "data/tour"))  # everything is written below this folder
SMALL = "MERJAX_TOUR_SMALL" in os.environ  # the tests run the tour with tiny budgets
FIGURES = HERE / "figures"
FIGURES.mkdir(parents=True, exist_ok=True)


def show(name: str) -> None:
    """Keep a figure as a file, and show it where there is a screen."""
    plt.savefig(FIGURES / f"{name}.png", dpi=110, bbox_inches="tight")
    plt.show()
    plt.close()


# %% [markdown]
# ## Clips
#
# Six invented subjects with six clips each, in CASME II's layout. Peaks are 1.5 to 3 pixels at an inter-ocular distance of 105.

# %%
release_folder, store_folder = HERE / "release", HERE / "store"
if not release_folder.exists():
    synthesize_release(
        default_portraits(),
        release_folder,
        invent=3 if SMALL else 6,
        clips_per_subject=3 if SMALL else 6,
        peak=(1.5, 3),
        seed=0,
    )
release = read_casme2(release_folder)
store = open_store(store_folder) if store_folder.exists() else prepare_store([release], store_folder)
store.index.head()

# %% [markdown]
# ## Regions
#
# The six boxes of the paper's Fig. 5, from dlib's 68 points on the clip's first frame.

# %%
clip = max(release.clips, key=lambda clip: clip.emotion == "happiness")
row = store.index.query("subject == @clip.subject and clip == @clip.name").iloc[0]
points = np.load(store.path / "landmarks.npy")[row.name]
face = cv2.cvtColor(cv2.imread(str(clip.frames[0])), cv2.COLOR_BGR2RGB)
plt.imshow(face)
plt.scatter(*points.T, s=4, c="yellow")
for region in REGIONS:
    outline = corners(region, region_boxes(points)[region.name])
    plt.fill(*outline.T, fill=False, lw=1.5, label=region.name)
plt.legend(fontsize=7, loc="upper right")
plt.axis("off")
plt.title(f"{clip.key}: {clip.emotion}, AU {clip.action_units}")
show("regions")

# %% [markdown]
# ## Motion
#
# Invisible in stills, plain in differences and in optical flow: onset against apex.

# %%
onset, apex = (cv2.imread(str(clip.frames[i]), cv2.IMREAD_GRAYSCALE) for i in (0, clip.apex - clip.onset))
flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(onset, apex, None)
size, angle = np.hypot(*flow.transpose(2, 0, 1)), np.arctan2(flow[..., 1], flow[..., 0])
hue = ((angle + np.pi) / (2 * np.pi) * 179).astype(np.uint8)
wheel = np.stack([hue, np.full_like(hue, 255), (255 * (size / size.max())).astype(np.uint8)], -1)
panels = {"onset": onset, "apex": apex, "apex minus onset": apex.astype(int) - onset}
figure, axes = plt.subplots(1, 4, figsize=(16, 3.2))
for axis, (name, image) in zip(axes, panels.items(), strict=False):
    axis.imshow(image, cmap="gray" if image.dtype == np.uint8 else "RdBu", vmin=None, vmax=None)
    axis.set_title(name)
axes[3].imshow(cv2.cvtColor(wheel, cv2.COLOR_HSV2RGB))
axes[3].set_title(f"flow, at most {size.max():.1f} px")
for axis in axes:
    axis.axis("off")
show("motion")

# %% [markdown]
# ## Training
#
# Leave-one-subject-out, focal loss against cross-entropy. The same call with a licensed store gives honest numbers.

# %%
budget = 1 if SMALL else 8
sweep = {
    "base": {
        "data": {"store": str(store.path), "input": "difference", "standardise": True, "frames": "count:8"},
        "spatial": {"epochs": budget, "batch": 16, "learning_rate": 1e-3},
        "temporal": {"epochs": 5 * budget, "batch": 16, "learning_rate": 1e-3},
    },
    "trials": {
        "focal": {"loss.gamma": 2, "loss.alpha": "inverse"},
        "cross-entropy": {"loss.gamma": 0, "loss.alpha": "none"},
    },
}
result = merjax.run_sweep(sweep, out=HERE / "run")
result.scores

# %%
for (stage, trial), curve in result.curves.groupby(["stage", "trial"]):
    mean = curve.groupby("step")["accuracy"].mean()
    plt.plot(mean.index / mean.index.max(), mean.rolling(5, min_periods=1).mean(), label=f"{stage}, {trial}")
plt.xlabel("share of the budget")
plt.ylabel("accuracy on training batches")
plt.legend()
show("curves")

# %% [markdown]
# ## What a region's network sees
#
# The spatial stage alone, on one fold: its 20 features per frame and region, followed from onset to offset in the clip above.

# %%
config = make_config(sweep["base"], {"data": {"frames": "all"}})
experiment = load_experiment(config.data)
stage = spatial_stage(experiment.classes_R, experiment.channels)
engine = Engine(steps_per_call=4, devices=jax.local_devices()[:1])
runs, frames = spatial_runs(experiment, [RunSpec(config, seed=0, fold=0)])
state, _ = engine.fit(stage, runs, frames, Budget(batch=16, steps=4 if SMALL else 150), seed=0)
features_SxRxD = engine.apply(stage, state.variables, runs, frames, batch=16)[0]

# %%
number = experiment.index.query("subject == @clip.subject and clip == @clip.name").index[0]
own = features_SxRxD[experiment.clip_S == number]
figure, axes = plt.subplots(2, 3, figsize=(12, 5), sharex=True)
for axis, region, trajectory in zip(axes.flat, REGIONS, own.transpose(1, 0, 2), strict=True):
    axis.plot(trajectory - trajectory[0], lw=1)
    axis.axvline(clip.apex - clip.onset, color="k", lw=0.5, ls="--")
    axis.set_title(region.name)
figure.suptitle(f"features minus their value at the onset; {clip.emotion}, AU {clip.action_units}, apex dashed")
show("features")

# %% [markdown]
# ## Report
#
# `python -m merjax.report data/tour/run` writes a page with intervals, confusion matrices and the most confident mistakes.
