# ---
# jupyter:
#   jupytext:
#     formats: py:percent,ipynb
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {name: python3, display_name: Python 3}
# ---

# %% [markdown]
# # The ablations: Tables 5, 6 and 7, and what the features knew
#
# How much do regions, the CNN and the loss each add to the paper's method? With a store of licensed recordings, the sweep
# files of the paper's tables answer this: `python -m merjax.sweep sweeps/table5_regions.yaml data.store=stores/all`. This
# notebook runs the same files at `--scale small`: the same trials and folds, on clips of nine invented people in the
# layouts of the three databases. It shows how the tables are read. **Its numbers are for made clips: they say nothing about
# people, and they do not reproduce anything of the paper.**
#
# With your own store, set `SCALE = "full"` and name the store. The small scale takes about a quarter of an hour on two cores,
# and the last chapter some minutes more.

# %%
import os
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import merjax
from merjax.report.audit import audit_sentences
from merjax.report.comparison import compare
from merjax.report.section import Section
from merjax.scoring.entry import KNOWN
from merjax.scoring.published.tables import TABLES
from merjax.sweeps.sweep_file import read_sweep

SCALE, STORE = "small", None  # "full", "stores/all" for your own recordings
HERE = Path(os.environ.get("MERJAX_NOTEBOOK", "data/ablations"))  # everything is written below this folder
TINY = "MERJAX_NOTEBOOK_TINY" in os.environ  # the tests run it with tiny budgets
SWEEPS = next(path / "sweeps" for path in (Path.cwd(), *Path.cwd().parents) if (path / "sweeps").is_dir())
FIGURES = HERE / "figures"
FIGURES.mkdir(parents=True, exist_ok=True)
plt.rcParams |= {"axes.spines.top": False, "axes.spines.right": False, "figure.constrained_layout.use": True}


def show(name: str) -> None:
    """Save a figure as a file, and show it if there is a screen."""
    plt.savefig(FIGURES / f"{name}.png", dpi=110, bbox_inches="tight")
    plt.show()
    plt.close()


# %% [markdown]
# ## The sweeps
#
# The three files are read as the command line reads them. Table 5 leaves out cheeks and nose; to see what every region
# adds, two more trials leave out eyes and mouth, which the paper does not print.

# %%
settings = {"data.store": STORE or str(HERE / "store")}
if TINY:
    settings |= {"data.folds": "group:2", "data.frames": "count:2", "spatial.epochs": 1, "temporal.epochs": 2}
    settings |= {"engine.workers": 1, "engine.chunk": 2}
sweeps = {
    number: read_sweep(SWEEPS / f"{name}.yaml", [settings], SCALE)
    for number, name in {5: "table5_regions", 6: "table6_cnn", 7: "table7_loss"}.items()
}
points = {trial.name: trial.overrides for trial in sweeps[5].trials}
points |= {"no eyes": {"regions": ["nose", "cheeks", "mouth"]}, "no mouth": {"regions": ["eyes", "nose", "cheeks"]}}
sweeps[5] = sweeps[5].with_trials(points)
if TINY:
    sweeps = {number: sweep.with_clips(invent=2, clips_per_subject=3) for number, sweep in sweeps.items()}
{number: [trial.name for trial in sweep.trials] for number, sweep in sweeps.items()}

# %%
results = {number: merjax.run_sweep(sweep, out=HERE / sweep.name) for number, sweep in sweeps.items()}
sections = {number: Section(compare([result])[0]) for number, result in results.items()}
statement = sections[5].comparison.statement
print(statement)

# %% [markdown]
# ## The three tables
#
# The figure shows UF1 on all databases together, with 95 % intervals of a bootstrap over subjects. Circles are the paper's
# scores on real recordings: they recall what the paper claims, but made clips cannot be compared with them. "proposed
# model", "all regions" and "focal, inverse frequency" are the same setting, trained again in each table: same seed, same
# scores.

# %%
figure, axes = plt.subplots(
    3, 1, figsize=(8, 6.4), sharex=True, height_ratios=[1 + len(sweep.trials) for sweep in sweeps.values()]
)
for axis, (number, section) in zip(axes, sections.items(), strict=True):
    part, table = section.comparison.parts[0], TABLES[sweeps[number].published]
    own = section.scores.query("part == @part.name").reset_index(drop=True)
    axis.hlines(own.index, own["UF1_low"], own["UF1_high"], color="tab:blue")
    axis.plot(own["UF1"], own.index, "o", c="tab:blue", label="merjax, with 95 % interval")
    published = {trial.name: trial.published for trial in sweeps[number].trials}
    rows = [table.row(published[trial], table.rows[0].part) for trial in own["trial"]]
    printed = [row.scores["UF1"] if row else np.nan for row in rows]
    axis.plot(printed, own.index, "o", mfc="w", mec="0.4", label="published, of real recordings")
    majority = section.controls.query("part == @part.name and control == 'majority'")["UF1"].item()
    axis.axvline(majority, c="tab:red", lw=1, ls=":", label="majority")
    axis.set_yticks(own.index, own["trial"])
    axis.set(title=f"Table {number}", xlim=(0, 1), ylim=(len(own) - 0.5, -0.5))
axes[-1].set_xlabel("UF1")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
figure.suptitle("made clips: not comparable with the circles" if statement else "", size=10)
show("tables")

# %% [markdown]
# ## Differences
#
# What matters is not which score is higher but whether a difference would hold for other subjects. So both trials are scored on
# the same resampled subjects. An interval that contains 0 gives no evidence of a difference.

# %%
figure, axes = plt.subplots(
    3, 1, figsize=(8, 5.4), sharex=True, height_ratios=[len(sweep.trials) for sweep in sweeps.values()]
)
for axis, (number, section) in zip(axes, sections.items(), strict=True):
    part = section.comparison.parts[0]
    own = section.differences.query("part == @part.name").reset_index(drop=True)
    axis.hlines(own.index, own["UF1_low"], own["UF1_high"], color="tab:blue")
    axis.plot(own["UF1"], own.index, "o", c="tab:blue")
    axis.axvline(0, c="0.4", lw=1)
    axis.set_yticks(own.index, own["entry"])
    axis.set(title=f"Table {number}: against {section.comparison.base.label}", ylim=(len(own) - 0.5, -0.5))
axes[-1].set_xlabel("difference in UF1, paired 95 % interval over subjects")
show("differences")

# %% [markdown]
# ## Choosing
#
# Whoever picks the trial with the highest score reports a number that is high in part by luck. `result.plot` draws what is
# known about that, and how the scores depend on a setting; each is an Altair chart, which `.properties(...)` restyles.

# %%
results[7].plot.optimism().properties(title="Table 7: the highest score, less what choosing it adds")

# %%
results[7].plot.axis("loss.gamma")

# %%
results[7].trials[["trial", "loss.gamma", "UF1", "UF1_low", "UF1_high", "UF1_holm", "seconds"]]

# %% [markdown]
# ## Which region shows which class
#
# One kind of region is left out, and the networks are trained again. What a class then loses in recall was shown by that region
# alone. Happiness moves cheeks and mouth, surprise eyes and mouth (Table 1 of the paper), so one of the two can make up for the
# other. (`notebooks/first_tour.py` asks trained networks the same question, without training again.)

# %%
part = sections[5].comparison.parts[0]
recall = sections[5].classes.query("part == @part.name").pivot(index="entry", columns="class", values="recall")
left_out = ["no eyes", "no nose", "no cheeks", "no mouth"]
classes = list(sections[5].comparison.base.classes)
change_ExK = (recall.loc[left_out] - recall.loc["all regions"])[classes].to_numpy()
most = max(np.abs(change_ExK).max(), 1e-9)
plt.figure(figsize=(6, 3.4))
plt.imshow(change_ExK, cmap="RdBu", vmin=-most, vmax=most, aspect="auto")
for (e, k), value in np.ndenumerate(change_ExK.round(2) + 0.0):
    plt.text(k, e, f"{value:+.2f}", ha="center", va="center", c="w" if abs(value) > 0.65 * most else "k")
clips_K = sections[5].classes.query("part == @part.name and entry == 'all regions'").set_index("class")["clips"]
plt.xticks(range(len(classes)), [f"{name} ({clips_K[name]} clips)" for name in classes])
plt.yticks(range(len(left_out)), left_out)
plt.tick_params(length=0)
plt.title("recall, less that with all regions", size=11)
show("regions_by_class")

# %% [markdown]
# ## What the features knew
#
# The code that the authors published in 2022 trains its spatial CNNs once, on half of the frames of all subjects, as far as
# we can read it. What is that worth? `sweeps/authors_protocol.yaml` trains both stages honestly and in that way, with true
# labels and with the labels of all clips shuffled. From shuffled labels nothing can be learnt about a clip that was not
# trained on: dots above chance show what the features remember. `docs/audit.md` explains it, and `merjax report` writes the
# same as a section.

# %%
audited = read_sweep(
    SWEEPS / "authors_protocol.yaml", [settings | {"data.store": STORE or str(HERE / "audit_store")}], SCALE
)
if TINY:
    audited = replace(audited.with_clips(invent=2, clips_per_subject=3), seeds=(0,))
results["audit"] = merjax.run_sweep(audited, out=HERE / audited.name)
(audit,) = Section(compare([results["audit"]])[0]).audits
part = audit.parts[0]
plt.figure(figsize=(8, 2.6))
for shift, labels in ((-0.1, "true labels"), (0.1, "all labels shuffled")):
    own = audit.scores.query("part == @part.name and labels == @labels").set_index("trained_on")
    own = own.loc[["fold", audit.trained_on]]
    (line,) = plt.plot(own["UF1"], np.arange(2) + shift, "o", label=labels)
    plt.hlines(np.arange(2) + shift, own["UF1_low"], own["UF1_high"], color=line.get_color())
plt.axvline(audit.row(part, "", "")["UF1"], c="0.4", lw=1, ls=":", label="chance")
plt.yticks(range(2), ["trained on the fold", f"trained on {audit.trained_on},\n{KNOWN}"])
plt.gca().set(xlim=(0, 1), ylim=(1.5, -0.5), xlabel="UF1, with 95 % interval over subjects")
plt.legend(frameon=False)
show("audit")
print(*audit_sentences(audit), sep="\n\n")

# %% [markdown]
# ## As numbers
#
# The pages that `merjax report` writes for each folder show the same and much more: intervals for each database, confusion
# matrices, subjects, curves.

# %%
pd.concat({number: result.scores for number, result in results.items()}, names=["table"]).round(3)
