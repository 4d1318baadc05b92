"""A store copied in part or cut off is one sentence that names the file; what its sizes cannot tell, the doctor finds."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.report_command import word
from support.tiny_store import CLIPS, tiny_store

from merjax.datasets.clip import Clip
from merjax.stores.clip_crops import CropSettings
from merjax.stores.store import CROPS, open_store
from merjax.stores.unfinished import Prepared, add_to_journal, open_partial, read_journal
from merjax.stores.writing import clip_hash, write_rows
from merjax.system.errors import MerjaxError


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return tiny_store(tmp_path_factory.mktemp("stores") / "whole", motion=True)


FILES = (
    *(f"{region.name}.npy" for region in CROPS),
    *("flow.npy", "flow_face.npy", "landmarks.npy", "index.parquet", "discrepancies.parquet", "store.json"),
)


def test_a_whole_store_opens_and_the_doctor_finds_every_hash_as_it_was(whole):
    store = open_store(whole)
    assert (len(store.index), store.crops.keys(), store.features["flow28"].pictures.shape) == (
        CLIPS,
        {r.name for r in CROPS},
        (CLIPS, 28, 28, 3),
    )
    said = word("doctor", whole)
    assert said.returncode == 0, said.stdout
    assert "as it was when the store was made" in said.stdout


@pytest.mark.parametrize(
    "how", ["missing", "empty", "half", "one byte less", "one byte more", "zeros", "a folder", "text"]
)
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_not_whole_is_named_with_what_to_do(whole, tmp_path, name, how):
    store = tmp_path / "store"
    shutil.copytree(whole, store)
    path, size = store / name, (whole / name).stat().st_size
    if how in ("missing", "a folder"):
        path.unlink()
        if how == "a folder":
            path.mkdir()
    elif how in ("zeros", "text"):
        path.write_bytes(bytes(size) if how == "zeros" else b"<html>404 not found</html>")
    else:
        content = path.read_bytes()
        kept = {"empty": 0, "half": size // 2, "one byte less": size - 2, "one byte more": size}[how]
        path.write_bytes(content[:kept] + (b"}" if how == "one byte more" else b""))
    with pytest.raises(MerjaxError) as told:
        open_store(store)
    sentence = str(told.value)
    if (name, how) != ("store.json", "missing"):
        assert str(path) in sentence
        assert sentence.endswith(f"copy the store again from where it was made, or remove {store} and prepare it again")
    else:
        assert "not a finished clip store" in sentence
    assert word("doctor", store).returncode == 2


@pytest.mark.parametrize("files", [{"index.parquet": {"bytds": 9}}, ["index.parquet"], {"index.parquet": 9}, 7])
def test_notes_of_files_that_cannot_be_understood_name_the_file_that_holds_them(whole, tmp_path, files):
    store = tmp_path / "store"
    shutil.copytree(whole, store)
    meta = json.loads((store / "store.json").read_text())
    (store / "store.json").write_text(json.dumps(meta | {"files": files}))
    with pytest.raises(MerjaxError, match=f"^{store}/store.json is damaged .* prepare it again$"):
        open_store(store)


def test_a_file_of_another_store_is_refused_by_its_shape_its_type_or_its_rows(whole, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(whole, store)
    nose = np.load(whole / "nose.npy")
    for wrong in (nose[:-1], nose[:, :-1], nose.astype(np.int8), np.asfortranarray(nose), nose[..., None]):
        np.save(store / "nose.npy", wrong)
        with pytest.raises(MerjaxError, match=r"nose\.npy"):
            open_store(store)
    np.save(store / "nose.npy", nose)
    pd.read_parquet(store / "index.parquet")[:-1].to_parquet(store / "index.parquet")
    with pytest.raises(MerjaxError, match=r"index\.parquet"):
        open_store(store)


@pytest.mark.parametrize("name", ["nose.npy", "flow.npy", "flow_face.npy", "landmarks.npy", "store.json"])
def test_a_bit_that_changed_inside_a_file_of_the_right_size_is_found_by_the_doctor(whole, tmp_path, name):
    store = tmp_path / "store"
    shutil.copytree(whole, store)
    content = bytearray((store / name).read_bytes())
    at = content.index(b"gray") if name == "store.json" else len(content) // 2
    content[at] ^= 1
    (store / name).write_bytes(content)
    assert word("doctor", store).returncode == 2


def test_a_changed_bit_in_the_index_is_found_when_it_is_read(whole, tmp_path):
    """The tables' pages carry checksums."""
    store = tmp_path / "store"
    shutil.copytree(whole, store)
    content = bytearray((store / "index.parquet").read_bytes())
    content[content.index(b"happiness") + 4] ^= 1
    (store / "index.parquet").write_bytes(content)
    with pytest.raises(MerjaxError, match=r"index\.parquet is damaged"):
        open_store(store)


FRAMES = (Path("a/img1.jpg"), Path("a/img2.jpg"))
CLIPS_TO_PREPARE = [
    Clip("casme2", "sub01", f"EP{i:02d}", FRAMES, 1, None, 2, "happiness", "", None, 200.0) for i in range(3)
]
SETTINGS = CropSettings()
ROWS = [0, 2, 4]


@pytest.fixture
def partial(tmp_path) -> Path:
    """A preparation that was stopped after all of its clips but none of its tables."""
    folder = tmp_path / "store.partial"
    open_partial(folder, CLIPS_TO_PREPARE, SETTINGS)
    for i, first in enumerate(ROWS):
        arrays = [np.full((2, region.height, region.width), i + 1, np.uint8) for region in CROPS]
        for region, rows in zip(CROPS, arrays, strict=True):
            write_rows(folder, region.name, first, rows)
        add_to_journal(folder, Prepared(i, points=[[0.0, 0.0]] * 68, hash=clip_hash(arrays)))
    return folder


def continued(partial: Path) -> set[int]:
    open_partial(partial, CLIPS_TO_PREPARE, SETTINGS)
    return set(read_journal(partial, CLIPS_TO_PREPARE, ROWS))


def test_a_stopped_preparation_goes_on_with_what_is_whole(partial, capsys):
    assert continued(partial) == {0, 1, 2}
    (partial / "journal.jsonl").write_text(
        (partial / "journal.jsonl").read_text() + '{"clip": 99, "points": [[0, 0]]}\n[1]\n{"clip"\n7\n{"other": 1}\n'
    )
    assert continued(partial) == {0, 1, 2}
    assert not capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", bytes(40)])
def test_a_damaged_note_of_what_is_prepared_begins_it_anew_with_a_warning(partial, capsys, content):
    (partial / "partial.json").write_bytes(content)
    assert continued(partial) == set()
    said = capsys.readouterr().err
    assert said.startswith("warning: ")
    assert "partial.json" in said
    assert json.loads((partial / "partial.json").read_text())["fingerprint"]


@pytest.mark.parametrize("name", ["nose.npy", "face.npy"])
@pytest.mark.parametrize("kept", [None, 0, 60])
def test_a_lost_or_cut_file_of_a_stopped_preparation_is_filled_again_with_a_warning(partial, capsys, name, kept):
    (partial / name).unlink() if kept is None else os.truncate(partial / name, kept)
    assert continued(partial) == set()
    assert f"{name} is missing or damaged" in capsys.readouterr().err
    write_rows(partial, name[:-4], 0, np.load(partial / name)[:1])  # it can be written again
