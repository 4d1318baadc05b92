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
# From two photographs to scores of held-out people, and into the trained networks: synthesise clips, look at regions and
# motion, train, predict, report, and see which region led to a decision and when it was taken. The identities are invented
# and the motion is a script, so nothing here says anything about people.
#
# Open it with `jupyter lab` (jupytext pairs it with an `.ipynb`), or run it as it is, which takes some minutes:
# `python -c "exec(open('notebooks/first_tour.py').read())"`.

# %%
import os
import shutil
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import merjax
from merjax.faces.crops import corners, region_boxes
from merjax.faces.flow import colour_wheel, dense_flow
from merjax.faces.pictures import read_image
from merjax.faces.regions import REGIONS
from merjax.models.insight import after_each_frame, features_of, images_of, networks_of
from merjax.protocols.schemes import emotion_regions
from merjax.synthesis import LongPlan, synthesize_long_videos

HERE = Path(os.environ.get("MERJAX_NOTEBOOK", "data/tour"))  # everything is written below this folder
TINY = "MERJAX_NOTEBOOK_TINY" in os.environ  # the tests run the tour with tiny budgets
FIGURES = HERE / "figures"
FIGURES.mkdir(parents=True, exist_ok=True)
plt.rcParams |= {"axes.spines.top": False, "axes.spines.right": False, "figure.constrained_layout.use": True}


def show(name: str) -> None:
    """Save a figure as a file, and show it if there is a screen."""
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
    merjax.synthesize_release(
        release_folder,
        invent=2 if TINY else 6,
        clips_per_subject=3 if TINY else 6,
        peak=(1.5, 3),
        seed=0,
    )
release = merjax.read_casme2(release_folder)
store = merjax.open_store(store_folder) if store_folder.exists() else merjax.prepare_store(release, store_folder)
store

# %% [markdown]
# ## Regions
#
# These are the six boxes of the paper's Fig. 5, from dlib's 68 points on the clip's first frame. Right and left are the
# subject's.

# %%
clip = max(release.clips, key=lambda clip: clip.emotion == "happiness")
row = store.index.query("subject == @clip.subject and clip == @clip.name").iloc[0]
points = np.load(store.path / "landmarks.npy")[row.name]
boxes = region_boxes(points)
(left, top), (right, bottom) = points.min(0) - [40, 60], points.max(0) + [40, 25]
COLOURS = dict(zip((region.name for region in REGIONS), plt.get_cmap("tab10").colors, strict=False))

plt.figure(figsize=(6, 6))
plt.imshow(read_image(clip.frames[0], "rgb"))
plt.scatter(*points.T, s=6, c="yellow", linewidths=0)
for region in REGIONS:
    outline = corners(region, boxes[region.name])
    plt.fill(*outline.T, fill=False, lw=2, ec=COLOURS[region.name])
    label = {"fc": COLOURS[region.name], "lw": 0, "pad": 1.5}
    plt.text(*(outline[0] + [2, -3]), region.name.replace("_", " "), c="w", size=8, bbox=label)
plt.axis([left, right, bottom, top])
plt.axis("off")
plt.title(f"{clip.key}: {clip.emotion}, AU {clip.action_units}")
show("regions")

# %% [markdown]
# ## Motion
#
# From onset to apex, the motion cannot be seen in single pictures, but it is clear in their difference and in optical flow. In
# the flow, the hue shows the direction (see the disc), and white means no motion.

# %%
onset, apex = (read_image(clip.frames[i]) for i in (0, clip.apex - clip.onset))
flow = dense_flow(onset, apex)
most = float(np.quantile(np.hypot(*flow.transpose(2, 0, 1)), 0.999))
difference = apex.astype(int) - onset
limit = np.quantile(np.abs(difference), 0.999)
disc_y, disc_x = np.mgrid[-1:1:81j, -1:1:81j]
disc = colour_wheel(np.stack([disc_x, disc_y], -1), 1)
disc[np.hypot(disc_x, disc_y) > 1] = 255

figure, axes = plt.subplots(1, 4, figsize=(14, 4.2))
for axis, title in zip(axes, ("onset", "apex", "apex minus onset", f"flow, full colour at {most:.1f} px"), strict=True):
    axis.set(title=title, xlim=(left, right), ylim=(bottom, top))
    axis.axis("off")
axes[0].imshow(onset, cmap="gray", vmin=0, vmax=255)
axes[1].imshow(apex, cmap="gray", vmin=0, vmax=255)
axes[2].imshow(difference, cmap="RdBu", vmin=-limit, vmax=limit)
axes[3].imshow(colour_wheel(flow, most))
key = axes[3].inset_axes([0.8, 0.8, 0.2, 0.2])
key.imshow(disc)
key.axis("off")
show("motion")

# %% [markdown]
# ## Training
#
# Focal loss is compared with cross-entropy, with leave-one-subject-out. The same call with a licensed store gives real scores.
# `save_models` saves what each fold's networks learnt.

# %%
budget = 1 if TINY else 8
sweep = {
    "base": {
        "data": {"store": str(store.path), "input": "difference", "standardise": True, "frames": "count:9"},
        "spatial": {"epochs": budget, "batch": 16, "learning_rate": 1e-3},
        "temporal": {"epochs": 5 * budget, "batch": 16, "learning_rate": 1e-3},
        "engine": {"save_models": True},
    },
    "trials": {
        "focal": {"loss.gamma": 2, "loss.alpha": "inverse"},
        "cross-entropy": {"loss.gamma": 0, "loss.alpha": "none"},
    },
}
result = merjax.run_sweep(sweep, out=HERE / "run")
result.scores

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True)
for axis, (stage, curves) in zip(axes, result.curves.groupby("stage", sort=False), strict=True):
    for trial, curve in curves.groupby("trial"):
        accuracy = curve.groupby("step")["accuracy"].mean().rolling(8, min_periods=1).mean()
        axis.plot(accuracy.index, accuracy, label=trial)
    axis.set(title=f"{stage} stage", xlabel="step", ylim=(0, 1.02))
axes[0].set_ylabel("accuracy on training batches")
axes[1].legend(frameon=False)
show("curves")

# %% [markdown]
# ## Prediction
#
# One call loads a saved model, which takes any store of the same kind. This one never saw the subject of the clip above; all
# other rows show people that it was trained on, so they prove nothing.

# %%
cards = sorted((HERE / "run/models/focal").glob("*/*/card.json"))
models = [merjax.load_model(card.parent) for card in cards]
held_out = {model.card["held_out_subjects"][0].split("/")[1]: model for model in models}
model = held_out[clip.subject]
model(store).query("subject == @clip.subject")

# %% [markdown]
# ## Report
#
# This writes what `merjax report data/tour/run` writes: a self-contained page with intervals, confusion matrices, subjects
# and the most confident mistakes.

# %%
merjax.make_report(HERE / "run", HERE / "report")

# %% [markdown]
# ## The features of each region over time
#
# The figure shows the 20 spatial features of each region in the clip above, frame by frame from onset over apex to offset,
# by the networks that held its subject out. Each line is a feature minus its value at the onset; black is the distance of
# all 20 from there. The network sees single frames, so it has learnt from their appearance alone that the curves rise and
# fall with the expression. The step after the first frame is the sensor's noise, which the onset's difference to itself
# lacks. A star marks the regions that show this emotion in the paper's Table 1.

# %%
every_frame = merjax.load_data(store, input="difference", frames="all")
number = every_frame.index.query("subject == @clip.subject and clip == @clip.name").index[0]
features_TxRxD = features_of(networks_of(model), images_of(every_frame, number))
moved_TxRxD = features_TxRxD - features_TxRxD[0]
milliseconds = np.arange(len(moved_TxRxD)) * 1000 / clip.fps
responsible = emotion_regions("eyes")[clip.emotion]

figure, axes = plt.subplots(2, 3, figsize=(11, 5.4), sharex=True, sharey=True)
for axis, region, trajectory_TxD in zip(axes.flat, REGIONS, moved_TxRxD.transpose(1, 0, 2), strict=True):
    axis.plot(milliseconds, trajectory_TxD, lw=0.8, c=COLOURS[region.name], alpha=0.7)
    axis.plot(milliseconds, np.linalg.norm(trajectory_TxD, axis=1), c="k", lw=1.8)
    axis.axvline((clip.apex - clip.onset) * 1000 / clip.fps, c="0.5", lw=1, ls="--")
    axis.set_title(region.name.replace("_", " ") + (" *" if region.kind in responsible else ""))
figure.supxlabel("ms from the onset; the apex is dashed")
figure.supylabel("feature less its value at the onset")
figure.suptitle(f"{clip.key}: {clip.emotion}, AU {clip.action_units}")
show("features")

# %% [markdown]
# ## Which region shows which emotion
#
# The networks of every fold answer two questions about the clips that it held out. Left: how much probability the right class
# loses when a region is switched off at the classifier's input. Right: the region's share of the gradient of the right class's
# score with respect to all pixels. Frames mark the regions of Table 1.

# %%
data = merjax.load_data(store, input="difference", frames="count:9")
evidence = pd.concat([merjax.insight.regions(model) for model in models])
names, emotions = [region.name for region in REGIONS], list(dict.fromkeys(evidence.sort_values("class")["emotion"]))

clips_of = evidence.drop_duplicates(["subject", "clip"])["emotion"].value_counts()
panels = {
    "drop": ("loss of probability without the region", "RdBu_r"),
    "saliency": ("share of the gradient", "Purples"),
}

figure, axes = plt.subplots(1, 2, figsize=(11.5, 1.4 + 0.6 * len(emotions)), sharey=True)
for axis, (column, (title, colours)) in zip(axes, panels.items(), strict=True):
    value_ExR = evidence.pivot_table(index="emotion", columns="region", values=column).loc[emotions, names].to_numpy()
    most = max(np.abs(value_ExR).max(), 1e-9)
    axis.imshow(value_ExR, cmap=colours, vmin=-most if column == "drop" else 0, vmax=most, aspect="auto")
    for (e, r), value in np.ndenumerate(value_ExR.round(2) + 0.0):
        ink = "w" if abs(value) > 0.65 * most else "k"
        axis.text(r, e, f"{value:.2f}", ha="center", va="center", size=8, c=ink)
        if REGIONS[r].kind in emotion_regions("eyes")[emotions[e]]:
            axis.add_patch(plt.Rectangle((r - 0.47, e - 0.47), 0.94, 0.94, fill=False, lw=1.5))
    axis.set_title(title)
    axis.set_xticks(range(len(names)), [name.replace("_", "\n") for name in names])
    axis.set_yticks(range(len(emotions)), [f"{emotion} ({clips_of[emotion]} clips)" for emotion in emotions])
    axis.tick_params(length=0)
show("evidence")

# %% [markdown]
# The same in pixels: the gradient of the right class's score in the frame nearest to the apex, drawn on the face.

# %%
number = data.index.query("subject == @clip.subject and clip == @clip.name").index[0]
maps = merjax.insight.saliency(model, clip.key)
position_T = data.row_S[data.clip_S == number] - row["first_row"]
nearest = int(np.abs(position_T - (clip.apex - clip.onset)).argmin())
heat = np.zeros(onset.shape, np.float32)
for region in REGIONS:
    box, smooth = boxes[region.name], cv2.GaussianBlur(maps[region.name][nearest], (0, 0), 2)
    x, y = corners(region, box)[0]
    there = np.float32([[box.unit, 0, x], [0, box.unit, y]])
    heat = np.maximum(heat, cv2.warpAffine(smooth, there, onset.shape[::-1]))

plt.figure(figsize=(6, 6))
plt.imshow(apex, cmap="gray")
plt.imshow(heat, cmap="inferno", alpha=np.clip(heat / np.quantile(heat, 0.995), 0, 1) * 0.8)
for region in REGIONS:
    plt.fill(*corners(region, boxes[region.name]).T, fill=False, lw=0.8, ec="w")
plt.axis([left, right, bottom, top])
plt.axis("off")
plt.title(f"where a gray value moves the score of {data.classes[data.target_N[number]]}")
show("saliency")

# %% [markdown]
# ## When the decision is taken
#
# For the held-out clips, the figure shows the probability of the right class if a clip had ended after its first, second,
# ... last frame. Time is stretched so that all clips have their apex at the same place. At the onset there is nothing to
# see yet, and the value is the network's answer for a face at rest.

# %%
phase = np.linspace(0, 2, 41)
figure, axes = plt.subplots(1, len(data.classes), figsize=(12, 3.6), sharey=True)
for k, (axis, name) in enumerate(zip(axes, data.classes, strict=True)):
    curves = []
    for n in np.flatnonzero(data.target_N == k):
        own = data.index.loc[n]
        networks = networks_of(held_out[own["subject"]])
        score_T = after_each_frame(networks, features_of(networks, images_of(data, n)))[:, k]
        at_T = data.row_S[data.clip_S == n] - own["first_row"]
        phase_T = np.interp(at_T, [0, own["apex"] - own["onset"], own["n_frames"] - 1], [0, 1, 2])
        curves.append(np.interp(phase, phase_T, score_T))
        axis.plot(phase, curves[-1], c="0.7", lw=0.8)
    axis.plot(phase, np.mean(curves, axis=0), c="k", lw=2)
    axis.axhline(1 / len(data.classes), c="tab:red", lw=1, ls=":")
    axis.set(title=f"{name} ({len(curves)} clips)", ylim=(0, 1))
    axis.set_xticks([0, 1, 2], ["onset", "apex", "offset"])
axes[0].set_ylabel("probability of the right class")
figure.suptitle("black: mean; red: chance")
show("decision")

# %% [markdown]
# ## A recording
#
# `merjax.analyse` goes from a video to intervals, and lets a model say which of its classes each of them resembles. The
# recording is made: a person who is in none of the clips above, who also blinks, talks and nods. The model is that of the
# held-out fold, whatever its score (`anyway`). Dashed lines show what the script of the video says. A model always names one of
# its classes, also for an interval that is no expression. `docs/own_video.md` says what such a result can tell about people,
# which is little.

# %%
recorded, found_folder = HERE / "recorded", HERE / "found"
if not recorded.exists():
    plan = LongPlan(seconds=8 if TINY else 30, per_minute=(("micro", 8), ("macro", 4)))
    synthesize_long_videos(recorded, invent=1, videos=1, empty=0, plan=plan, seed=3)
video = merjax.long_videos(merjax.read_casme_squared(recorded, kind="all"))[0]
shutil.rmtree(found_folder, ignore_errors=True)
analysis = merjax.analyse(video.frames, model, out=found_folder, fps=video.fps, anyway=True)
analysis.table

# %%
figure, axis = plt.subplots(figsize=(12, 4))
step = 1.2 * float(analysis.motion_FxR.max())
for r, region in enumerate(REGIONS):
    axis.plot(analysis.second_F, analysis.motion_FxR[:, r] - r * step, lw=0.8, c=COLOURS[region.name])
for one in analysis.intervals:
    axis.axvspan(analysis.seconds(one.onset), analysis.seconds(one.offset), color="tab:blue", alpha=0.2, lw=0)
for true in video.truth:
    for frame in (true.onset, true.offset):
        axis.axvline(frame / video.fps, c="k", lw=0.8, ls="--")
axis.set_yticks([-r * step for r in range(len(REGIONS))], [region.name.replace("_", " ") for region in REGIONS])
axis.set(xlabel="seconds", title="how far each region is from where it rests; blue: found; dashed: the script")
show("recording")
