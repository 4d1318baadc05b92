"""Pictures in formats, depths and channels that cameras and programs write, with the RGB values that they should give."""

import io

import cv2
import numpy as np
from PIL import Image


def scene(rng, rows, columns):
    """A smooth picture in colours, RGB, that uses the whole range of 8 bits."""
    noise = cv2.GaussianBlur(rng.normal(size=(rows, columns, 3)), (0, 0), 3)
    return cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).round().astype(np.uint8)


KINDS = (
    "rgb",
    "rgba",
    "la",
    "palette",
    "one",
    "cmyk",
    "gray",
    "progressive",
    "opaque.tif",
    "bmp",
    "webp",
    "tif",
    "16.rgba",
)


def wide(values, ending):
    """A file of 16-bit values, gray or RGB."""
    return cv2.imencode(ending, values if values.ndim == 2 else np.ascontiguousarray(values[..., ::-1]))[1].tobytes()


def encoded(colours, kind):
    """A picture file of a kind, and the values `rows x columns x 3` that Pillow reads from it without its alpha channel."""
    picture = Image.fromarray(colours)
    alpha = Image.fromarray((np.indices(colours.shape[:2]).sum(0) % 256).astype(np.uint8))
    if kind == "16.rgba":  # Pillow does not write it
        wide = np.dstack([colours[..., ::-1], np.array(alpha)]).astype(np.uint16) * 257
        return cv2.imencode(".png", wide)[1].tobytes(), colours.astype(int)
    made, form = {
        "rgb": (picture, "PNG"),
        "rgba": (picture.convert("RGBA"), "PNG"),
        "la": (picture.convert("LA"), "PNG"),
        "palette": (picture.convert("P", palette=Image.Palette.ADAPTIVE), "PNG"),
        "one": (picture.convert("1"), "PNG"),
        "cmyk": (picture.convert("CMYK"), "JPEG"),
        "gray": (picture.convert("L"), "JPEG"),
        "progressive": (picture, "JPEG"),
        "rgba.tif": (picture.convert("RGBA"), "TIFF"),
        "opaque.tif": (picture.convert("RGBA"), "TIFF"),
        "bmp": (picture, "BMP"),
        "webp": (picture, "WEBP"),
        "tif": (picture, "TIFF"),
    }[kind]
    if made.mode in ("RGBA", "LA") and kind != "opaque.tif":
        made.putalpha(alpha)
    buffer = io.BytesIO()
    options = {"progressive": kind == "progressive", "quality": 95} if form == "JPEG" else {}
    made.save(buffer, form, **options)
    bands = Image.open(io.BytesIO(buffer.getvalue()))
    bands = bands.convert("RGBA") if bands.mode in ("RGBA", "LA") else bands.convert("RGB")
    return buffer.getvalue(), np.array(bands)[..., :3].astype(int)
