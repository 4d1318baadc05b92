"""Ready flow images: the store holds what the list says, and everything that is dropped is reported."""

import cv2
import numpy as np
import pandas as pd
import pytest

from merjax.cli.prepare import main
from merjax.faces.mosaic import mosaic
from merjax.protocols import SCHEMES, label_clips
from merjax.report.mistakes import target_crops
from merjax.stores.adding_features import add_features
from merjax.stores.from_flow_images import prepare_flow_images, read_clip_list
from merjax.stores.store import open_store
from merjax.system.errors import MerjaxError
from merjax.training.data import load_data

LIST = """data,subject,clip,label,emotion,onset,apex,offset,au
smic,s01,s01_ne_01,0,,,,,
smic,s02,s02_po_01,positive,,,,,
casme2,sub01,EP02_01f,1,happiness,46.0,59.0,86.0,12
casme2,sub02,EP01_11f,0,repression,46.0,91.0,96.0,15
samm,006,006_1_2,2,Surprise,5562,5588,5632,1+2
"""


@pytest.fixture
def material(tmp_path):
    """A folder of 6x4 images, and the list of what they show."""
    folder, clips = tmp_path / "images", tmp_path / "list.csv"
    folder.mkdir()
    clips.write_text(LIST)
    rng = np.random.default_rng(0)
    for line in LIST.splitlines()[1:]:
        _, subject, clip, *_ = line.split(",")
        cv2.imwrite(str(folder / f"{subject}_{clip}.png"), rng.integers(0, 256, (6, 4, 3), np.uint8))
    return folder, clips


def make(material, tmp_path, name="store"):
    return prepare_flow_images(*material, tmp_path / name)


def test_pictures_and_classes_are_those_of_files_and_list(material, tmp_path):
    store = make(material, tmp_path)
    assert store.crops == {}
    assert list(store.features) == ["flow4x6"]
    flow_NxHxWx3 = store.features["flow4x6"].pictures
    assert flow_NxHxWx3.shape == (5, 6, 4, 3)
    for row, flow in zip(store.index.itertuples(), flow_NxHxWx3, strict=True):
        strain, v, u = cv2.split(cv2.imread(str(material[0] / f"{row.subject}_{row.clip}.png")))
        np.testing.assert_array_equal(flow, np.stack([u, v, strain], -1))
    labelled = label_clips(store.index, SCHEMES["megc3"])
    assert labelled.target_N.tolist() == [0, 1, 1, 0, 2]
    assert store.discrepancies.empty
    assert open_store(store.path).hash == store.hash


def test_an_experiment_finds_each_clips_picture(material, tmp_path):
    """In au5 only three of the five clips are left: each must keep its own picture."""
    store = make(material, tmp_path)
    experiment = load_data(store, protocol="au5")
    assert experiment.index["clip"].tolist() == ["EP02_01f", "EP01_11f", "006_1_2"]
    np.testing.assert_array_equal(experiment.pictures_NxHxWx3("flow4x6"), store.features["flow4x6"].pictures[2:])
    with pytest.raises(MerjaxError, match="no frames"):
        _ = experiment.channels


def test_reports_show_the_pictures_of_mistaken_clips(material, tmp_path):
    store = make(material, tmp_path)
    png, what = target_crops(store, "samm", "006", "006_1_2", whole_face=False)
    shown = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert what == "u, v and strain"
    np.testing.assert_array_equal(
        shown[::4, ::4], np.hstack([*np.moveaxis(store.features["flow4x6"].pictures[4], -1, 0)])
    )


def test_a_store_of_crops_says_that_it_has_no_flow(small_store):
    with pytest.raises(MerjaxError, match="holds no flow28, .* add it with `merjax prepare --features flow28 --out "):
        _ = load_data(small_store).pictures_NxHxWx3("flow28")


@pytest.fixture
def larger(tmp_path):
    """A folder of 56 x 56 images, and the list of what they show."""
    folder, clips = tmp_path / "larger", tmp_path / "list.csv"
    folder.mkdir()
    clips.write_text(LIST)
    for seed, line in enumerate(LIST.splitlines()[1:]):
        _, subject, clip, *_ = line.split(",")
        image = np.random.default_rng(seed).integers(0, 256, (56, 56, 3), np.uint8)
        cv2.imwrite(str(folder / f"{subject}_{clip}.png"), image)
    return folder, clips


def spread(image_HxWxC):
    """Each channel over 0 to 255."""
    low, high = image_HxWxC.min((0, 1)), image_HxWxC.max((0, 1))
    return 255 * (image_HxWxC - low) / (high - low)


def bilinear(image_HxWxC, rows):
    """More rows, between the centres of the image's pixels; beyond an edge, those of the edge."""
    at = np.clip((np.arange(rows) + 0.5) * len(image_HxWxC) / rows - 0.5, 0, len(image_HxWxC) - 1)
    low = np.minimum(at.astype(int), len(image_HxWxC) - 2)
    share = (at - low)[:, None, None]
    return image_HxWxC[low] * (1 - share) + image_HxWxC[low + 1] * share


def test_other_sizes_and_the_mosaic_are_made_of_the_images(larger, tmp_path):
    store = prepare_flow_images(*larger, tmp_path / "store", "flow28,flow112,mosaic,flow56")
    assert list(store.features) == ["flow56", "flow112", "flow28", "mosaic"]
    own = store.features["flow56"].pictures[3].astype(float)
    halves = own.reshape(28, 2, 28, 2, 3).mean((1, 3))
    shrunk = store.features["flow28"].pictures[3]
    assert np.abs(shrunk - spread(halves)).max() <= 0.5 + 1e-3
    np.testing.assert_array_equal(store.features["mosaic"].pictures[3], mosaic(shrunk))
    large = spread(bilinear(bilinear(own, 112).swapaxes(0, 1), 112).swapaxes(0, 1))
    assert np.abs(store.features["flow112"].pictures[3] - large).max() <= 0.5 + 1e-3
    assert store.features["flow28"].settings == {"images": "ready", "height": 28, "width": 28, "from": "56x56"}
    assert [name for name, held in store.features.items() if held.enlarged] == ["flow112"]
    again = add_features(prepare_flow_images(*larger, tmp_path / "again").path, "mosaic,flow28")
    assert again.features["mosaic"].hash == store.features["mosaic"].hash
    assert again.hash == store.hash
    with pytest.raises(
        MerjaxError, match="holds no frames, from which dynamic is computed; .* --features dynamic --out STORE"
    ):
        add_features(again.path, "dynamic")
    for name in ("flow64", "flow56"):  # one to make, one that is held
        with pytest.raises(MerjaxError, match=f"which have no settings; ask for {name} alone"):
            add_features(again.path, f"{name}:mid")


def test_what_cannot_be_made_of_flow_images_leaves_nothing_behind(larger, tmp_path):
    with pytest.raises(MerjaxError, match="holds no frames, from which motion is computed"):
        prepare_flow_images(*larger, tmp_path / "store", "motion")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["larger", "list.csv"]


def test_the_hash_follows_pixels_and_labels_and_not_the_order(material, tmp_path):
    store = make(material, tmp_path)
    head, *rows = LIST.splitlines()
    material[1].write_text("\n".join([head, *rows[::-1]]))
    assert make(material, tmp_path, "turned").hash == store.hash
    material[1].write_text(LIST.replace("s01_ne_01,0", "s01_ne_01,2"))
    assert make(material, tmp_path, "label").hash != store.hash
    material[1].write_text(LIST)
    image = cv2.imread(str(material[0] / "006_006_1_2.png"))
    cv2.imwrite(str(material[0] / "006_006_1_2.png"), 255 - image)
    assert make(material, tmp_path, "pixels").hash != store.hash


def test_what_does_not_fit_is_listed(material, tmp_path):
    folder, clips = material
    (folder / "s01_s01_ne_01.png").unlink()
    (folder / "s02_s02_po_01.png").write_bytes(b"no image")
    cv2.imwrite(str(folder / "006_006_1_2.png"), np.zeros((5, 4, 3), np.uint8))
    cv2.imwrite(str(folder / "s09_s09_ne_01.png"), np.zeros((6, 4, 3), np.uint8))
    clips.write_text(LIST.replace("EP02_01f,1", "EP02_01f,2"))
    store = make(material, tmp_path)
    assert store.index["clip"].tolist() == ["EP02_01f", "EP01_11f"]
    assert label_clips(store.index, SCHEMES["megc3"]).target_N.tolist() == [2, 0]
    reasons = dict(zip(store.discrepancies["clip"], store.discrepancies["reason"], strict=True))
    assert reasons == {
        "s01_ne_01": "there is no image s01_s01_ne_01.png",
        "s02_po_01": "s02_s02_po_01.png cannot be read as an image; it is damaged, cut off or of another kind",
        "006_1_2": "its image has 4x5 pixels, most have 4x6",
        "s09_s09_ne_01.png": "is in the folder and not in the list",
        "EP02_01f": "the list says surprise, the rules of megc3 give positive; the list counts",
    }
    assert store.dropped["clip"].tolist() == ["s01_ne_01", "s02_po_01", "006_1_2"]


def test_a_faulty_picture_costs_its_clip_alone(material, tmp_path):
    """Empty, gray, with an alpha channel, and with 12-bit values in 16 bits."""
    folder, _ = material
    names = [f"{subject}_{clip}.png" for _, subject, clip, *_ in (line.split(",") for line in LIST.splitlines()[1:])]
    plain = {name: cv2.imread(str(folder / name)) for name in names}
    (folder / names[0]).write_bytes(b"")
    cv2.imwrite(str(folder / names[1]), plain[names[1]][..., 0])
    cv2.imwrite(str(folder / names[2]), np.dstack([plain[names[2]], np.arange(24, dtype=np.uint8).reshape(6, 4)]))
    deep = plain[names[3]].astype(np.uint16) * 16
    deep[0, 0] = 4080
    cv2.imwrite(str(folder / names[3]), deep)
    store = make(material, tmp_path)
    assert store.dropped["reason"].tolist() == [
        f"{names[0]} cannot be read as an image; it is empty",
        f"{names[1]} has one channel, where u, v and strain are three",
    ]
    assert store.index["bits"].tolist() == [8, 12, 8]
    flow_NxHxWx3 = store.features["flow4x6"].pictures
    np.testing.assert_array_equal(flow_NxHxWx3[0], plain[names[2]][..., ::-1])
    np.testing.assert_array_equal(flow_NxHxWx3[1], deep[..., ::-1] >> 4)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("casme2,sub01", "casme9,sub01", 'row 4, column data: data is "casme9"; write any of smic, casme2, samm'),
        ("s01_ne_01,0", "s01_ne_01,7", 'row 2, column label: label is "7"; write negative'),
        ("s01,s01_ne_01", ",s01_ne_01", 'row 2, column subject: subject is ""; subject and clip'),
        ("sub02,EP01_11f", "sub01,EP02_01f", "listed twice"),
        ("46.0,59.0", "46.0,apex", 'row 4, column apex: apex is "apex"; write a frame number'),
        ("86.0,12", "86.0,47", 'row 4, column au: au is "47"; write action units such as 4\\+7, or nothing'),
        ("clip,label", "clip,class", "no sheet with the columns label"),
    ],
)
def test_a_list_that_cannot_be_understood_is_refused(material, tmp_path, old, new, sentence):
    material[1].write_text(LIST.replace(old, new, 1))
    with pytest.raises(MerjaxError, match=sentence):
        make(material, tmp_path)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("old", "new", "encoding"),
    [("", "", "utf-8-sig"), (",", ";", "utf-16"), (",0,,", ",0.0,,", "utf-8"), ("casme2", "CASME-II", "utf-8")]
    + [("data,", "Database,", "utf-8"), ("46.0", "046", "utf-8"), ("5562", "5562.0", "utf-8")],
)  # fmt: skip
def test_a_list_in_another_spelling_gives_the_same_index(material, old, new, encoding):
    expected = read_clip_list(material[1])
    material[1].write_bytes((LIST.replace(old, new) if old else LIST).encode(encoding))
    pd.testing.assert_frame_equal(read_clip_list(material[1]), expected)


def test_the_command_line_makes_a_store_and_says_what_is_missing(material, tmp_path, capsys):
    line = ["--flow-images", str(material[0]), "--clips", str(material[1]), "--out", str(tmp_path / "store")]
    main(line)
    out = capsys.readouterr().out
    assert "5 of 5 clips, 5 subjects, no frames; flow4x6; look at" in out
    assert "flow_sheet.png" in out
    main(["--features", "flow28", "--out", str(tmp_path / "store")])
    out = " ".join(capsys.readouterr().out.split())
    assert "no frames; flow4x6, flow28; look at" in out
    assert "flow28 is enlarged from 4x6, which adds pixels and no detail" in out
    for wrong, sentence in ((line[:2], "must be given together"), ([*line, "--smic", "x"], "a store of its own")):
        with pytest.raises(SystemExit):
            main([*wrong, "--out", str(tmp_path / "other")])
        assert sentence in capsys.readouterr().err


def test_megc_2019_is_complete(shared, tmp_path):
    """442 published images, 68 subjects, 250/109/83; and the channel called strain is the strain of the other two."""
    main(
        ["--flow-images", str(shared / "flow/megc2019/images"), "--out", str(tmp_path / "store")]
        + ["--clips", str(shared / "annotations/protocol_megc2019_442.csv"), "--features", "flow64,mosaic"]
    )
    store = open_store(tmp_path / "store")
    assert {name: held.pictures.shape for name, held in store.features.items()} == {
        name: (442, side, side, 3) for name, side in (("flow28", 28), ("flow64", 64), ("mosaic", 28))
    }
    np.testing.assert_array_equal(
        store.features["mosaic"].pictures[:, :14, :14], store.features["flow28"].pictures[:, 2:16, 4:18]
    )
    assert store.discrepancies.empty
    labelled = label_clips(store.index, SCHEMES["megc3"])
    assert np.bincount(labelled.target_N).tolist() == [250, 109, 83]
    assert len(labelled.index[["database", "subject"]].drop_duplicates()) == 68
    assert labelled.index["database"].value_counts().to_dict() == {"smic": 164, "casme2": 145, "samm": 133}
    rules = label_clips(store.index.drop(columns="label"), SCHEMES["megc3"])
    pd.testing.assert_frame_equal(rules.index, labelled.index.drop(columns="label"))
    np.testing.assert_array_equal(rules.target_NxR, labelled.target_NxR)
    u, v, strain = np.moveaxis(store.features["flow28"].pictures.astype(float), -1, 0)
    assert _median_correlation(u, v, strain) > 0.85 > _median_correlation(v, u, strain)
    assert _median_correlation(u, strain, v) < 0.1


def _median_correlation(u_NxHxW, v_NxHxW, strain_NxHxW):
    (uy, ux), (vy, vx) = (np.gradient(x, axis=(1, 2)) for x in (u_NxHxW, v_NxHxW))
    tensor = np.sqrt(ux**2 + vy**2 + (uy + vx) ** 2 / 2)[:, 2:-2, 2:-2]
    pairs = zip(tensor, strain_NxHxW[:, 2:-2, 2:-2], strict=True)
    return np.median([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs])
