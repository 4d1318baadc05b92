"""What the page shows of single trials: confusion matrices, subjects and mistakes."""

from collections.abc import Sequence
from typing import Any

from merjax.report.figures import confusion_figure, subject_figure
from merjax.report.mistakes import confident_mistakes, store_of, target_crops
from merjax.report.pictures import Picture, drawn, uri_of
from merjax.report.section import Section, warnings_of
from merjax.report.texts import subject_text
from merjax.scoring.answers import counted
from merjax.scoring.entry import Entry
from merjax.scoring.scores import pooled_confusion
from merjax.scoring.written import number
from merjax.system.errors import MerjaxError


def detail(section: Section, entry: Entry, crops: bool) -> dict[str, Any]:
    """The section of one entry, with pictures."""
    seeds = f", summed over {len(entry.seeds)} seeds" if len(entry.seeds) > 1 else ""
    pictures, no_pictures = _mistakes(entry, crops)
    warnings = warnings_of([entry])
    return {
        "label": entry.label,
        "warnings": warnings,
        "confusion": None
        if entry.task.several
        else drawn(
            confusion_figure(entry, section.comparison.parts, warnings),
            f"{entry.label}: confusion matrices, clips{seeds}",
        ),
        "no_confusion": _ONE_CLASS.format("A confusion matrix") if entry.task.several else "",
        "subjects_figure": drawn(
            subject_figure(section.subjects, entry.label, warnings), f"{entry.label}: per subject"
        ),
        "subjects": subject_text(section, entry),
        "mistakes": pictures,
        "no_mistakes": no_pictures,
    }


def on_request(section: Section) -> list[dict[str, Any]]:
    """The numbers of the entries without pictures, from which the page's script draws a section when a reader opens it."""
    shown, told = section.detailed, []
    subjects = dict(list(section.subjects.groupby("entry", sort=False)))
    for entry in section.comparison.entries:
        if entry in shown:
            continue
        own = subjects[entry.label]
        parts = [part for part in section.comparison.parts if counted(entry, part).people]
        people = own[["database", "subject", "clips", "right"]].to_numpy().tolist()
        told.append(
            {
                "label": entry.label,
                "warnings": warnings_of([entry]),
                "classes": entry.classes,
                "parts": [
                    [part.title, pooled_confusion(entry, part).tolist()] for part in parts if not entry.task.several
                ],
                "subjects": [[f"{database}/{subject}", clips, right] for database, subject, clips, right in people],
                "mistakes": _captions(entry),
            }
        )
    return told


_ONE_CLASS = (
    "{} needs one class per clip, and here a clip may have several; the table of classes above and confusions.csv beside the "
    "page tell how each was answered."
)


def _captions(entry: Entry) -> list[str]:
    if entry.task.several:
        return []
    rows = confident_mistakes(entry).to_dict("records")
    return [
        f"{row['database']}/{row['subject']}/{row['clip']}, seed {row['seed']}: {entry.classes[row['label']]}, predicted "
        f"{entry.classes[row['prediction']]} with {number(row['confidence'], 2)}"
        for row in rows
    ]


def _mistakes(entry: Entry, crops: bool) -> tuple[Sequence[Picture], str]:
    """Pictures of the most confident mistakes with captions; if there are no pictures, the captions and the reason."""
    captions = _captions(entry)
    if entry.task.several:
        return [], _ONE_CLASS.format("A list of mistakes")
    if not captions:
        predicted = (entry.predictions["prediction"] >= 0).any()
        return [], "No clip was predicted wrong." if predicted else "Nothing predicted."
    if not crops:
        return [Picture("", caption) for caption in captions], "no crops are shown, as was asked for"
    try:
        store = store_of(entry)
    except MerjaxError as error:
        return [Picture("", caption) for caption in captions], str(error)
    pictures = []
    for row, caption in zip(confident_mistakes(entry).to_dict("records"), captions, strict=True):
        png, frame = target_crops(
            store, row["database"], row["subject"], row["clip"], whole_face=entry.config.data.whole_face
        )
        pictures.append(Picture(uri_of(png, "image/png"), f"{caption} ({frame})"))
    return pictures, ""
