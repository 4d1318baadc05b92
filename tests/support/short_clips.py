"""Releases of few and short clips, so that preparing them takes a moment."""

from dataclasses import replace

import cv2

FRAMES = 9


def cut_short(release, clips=4):
    """The release with a given number of its clips, cut to their first nine frames; the fifth is the apex."""
    cut = [
        replace(clip, frames=clip.frames[:FRAMES], apex=clip.onset + FRAMES // 2, offset=clip.onset + FRAMES - 1)
        for clip in release.clips[:clips]
    ]
    return replace(release, clips=tuple(cut))


def with_changed_frames(release, change, folder):
    """The release with `change` applied to every frame, a colour image, and written to a folder of its own."""
    clips = []
    for n, clip in enumerate(release.clips):
        paths = tuple(folder / f"{n}-{t}.png" for t in range(len(clip.frames)))
        for path, frame in zip(paths, clip.frames, strict=True):
            cv2.imwrite(str(path), change(cv2.imread(str(frame))))
        clips.append(replace(clip, frames=paths))
    return replace(release, clips=tuple(clips))


def with_frame(clip, number, path):
    """The clip with one frame from another file."""
    return replace(clip, frames=(*clip.frames[:number], path, *clip.frames[number + 1 :]))
