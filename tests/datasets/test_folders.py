"""Releases among what lies on real disks: links, loops of links, hidden files of systems, folders that cannot be listed."""

import os
import signal

import pytest
from support.nobody import as_nobody
from support.placeholder_releases import Line, casme2_frames, casme2_sheet, samm_frames, samm_sheet, smic_frames

from merjax.datasets import read_casme2, read_samm, read_smic
from merjax.system.errors import MerjaxError

LINES = [Line("01", "EP02_01f"), Line("02", "EP03_02")]
FOREIGN_FILES = (".DS_Store", "Thumbs.db", "desktop.ini", "._img7.jpg", "._sub01")


@pytest.fixture
def release(tmp_path):
    root = tmp_path / "above" / "CASME2"
    casme2_frames(root / "Cropped", LINES)
    casme2_sheet(root / "coding.xlsx", LINES)
    return root


def told(release):
    return [d.reason for d in release.discrepancies]


def test_links_that_lead_back_or_nowhere_and_files_of_systems_stop_no_good_release(release):
    plain = read_casme2(release)
    subject = release / "Cropped" / "sub01"
    for folder in (release, release / "Cropped", subject, subject / "EP02_01f"):
        (folder / "loop").symlink_to(release)
        (folder / "self").symlink_to(folder / "self")
        (folder / "up").symlink_to("..")
        for name in FOREIGN_FILES:
            (folder / name).write_bytes(b"\0")
        for name in ("__MACOSX", "@eaDir", ".Trashes", "$RECYCLE.BIN"):
            (folder / name / "sub01" / "EP02_01f").mkdir(parents=True)
            (folder / name / "sub01" / "EP02_01f" / "img5.jpg").touch()
    (release / "Cropped" / "sub03").symlink_to("/mnt/gone/sub03")
    found = read_casme2(release)
    assert [clip.key for clip in found.clips] == [clip.key for clip in plain.clips]
    assert [clip.frames for clip in found.clips] == [clip.frames for clip in plain.clips]
    assert any("sub03 is a link that leads nowhere: passed over" in reason for reason in told(found))
    assert any("self is a link that leads back to itself" in reason for reason in told(found))


def test_a_frame_that_is_a_link_to_nowhere_or_a_folder_is_told_and_its_clip_with_it(release):
    clip = release / "Cropped" / "sub01" / "EP02_01f"
    (clip / "img7.jpg").unlink()
    (clip / "img7.jpg").symlink_to("/mnt/gone/img7.jpg")
    (release / "Cropped" / "sub02" / "EP03_02" / "img9.jpg").unlink()
    (release / "Cropped" / "sub02" / "EP03_02" / "img9.jpg").mkdir()
    with pytest.raises(MerjaxError, match="missing frames 7"):
        read_casme2(release)
    (clip / "img7.jpg").unlink()
    (clip / "img7.jpg").symlink_to(clip / "img8.jpg")  # a link to a picture is a picture
    found = read_casme2(release)
    assert [clip.key for clip in found.clips] == ["casme2/sub01/EP02_01f"]
    assert any("img9.jpg is a folder: passed over" in reason for reason in told(found))


def test_a_whole_release_of_links_is_read_as_the_release_itself(release, tmp_path):
    linked = tmp_path / "linked" / "Cropped"
    for line in LINES:
        folder = linked / f"sub{line.subject}"
        folder.mkdir(parents=True)
        (folder / line.name).symlink_to(release / "Cropped" / f"sub{line.subject}" / line.name)
    (linked.parent / "coding.xlsx").symlink_to(release / "coding.xlsx")
    assert [clip.key for clip in read_casme2(linked).clips] == [clip.key for clip in read_casme2(release).clips]


def test_folders_that_may_not_be_listed_beside_above_and_in_a_release_are_passed_over(release):
    (release / "private").mkdir(mode=0o700)
    (release / "Cropped" / "sub02" / "EP04_04").mkdir(mode=0o700)
    (release / "Cropped" / "sub09").mkdir(mode=0o700)
    plain = [clip.key for clip in read_casme2(release).clips]
    with as_nobody(release):
        if os.geteuid() == release.stat().st_uid:
            pytest.skip("folders of one's own cannot be closed to another user here")
        found = read_casme2(release)
    assert [clip.key for clip in found.clips] == plain
    for name in ("private", "sub09", "EP04_04"):
        assert any(f"{name} cannot be listed (Permission denied): passed over" in reason for reason in told(found))
    os.chmod(release.parent, 0o711)  # below a folder that lets pass, and does not let look
    with as_nobody():
        assert [clip.key for clip in read_casme2(release).clips] == plain


def test_names_that_are_no_text_are_told_in_text(release):
    odd = os.fsdecode(b"EP\xff_01")
    (release / "Cropped" / "sub01" / odd).mkdir()
    (release / "Cropped" / "sub01" / odd / "img1.jpg").touch()
    found = read_casme2(release)
    assert [d.name for d in found.discrepancies if d.reason == "folder without row"] == ["EP\\udcff_01"]


def test_the_other_databases_pass_over_the_same(tmp_path):
    line = Line("006", "006_1_2")
    samm_frames(tmp_path / "SAMM", [line])
    samm_sheet(tmp_path / "SAMM" / "codes.xlsx", [line])
    smic_frames(tmp_path / "SMIC" / "HS", 1, "negative", 1)
    for place in (tmp_path / "SAMM", tmp_path / "SMIC", tmp_path / "SMIC" / "HS" / "s1" / "micro" / "negative"):
        (place / "gone").symlink_to("nowhere")
        (place / "loop").symlink_to(place)
    samm, smic = read_samm(tmp_path / "SAMM"), read_smic(tmp_path / "SMIC")
    assert (len(samm.clips), len(smic.clips)) == (1, 1)
    assert all(any("gone is a link that leads nowhere" in reason for reason in told(found)) for found in (samm, smic))


def test_pipes_that_nobody_named_are_told_and_never_waited_for(release):
    frame = release / "Cropped" / "sub01" / "EP02_01f" / "img7.jpg"
    frame.unlink()
    for pipe in (release / "notes.txt", frame, release / "SYNTHETIC.json"):
        os.mkfifo(pipe)
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("this waits for a pipe"))
    signal.alarm(20)
    try:
        found = read_casme2(release)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert [clip.key for clip in found.clips] == ["casme2/sub02/EP03_02"]
    assert f"passed over: {release / 'notes.txt'} is neither a file nor a folder" in told(found)
    assert f"{frame} is neither a file nor a folder: passed over" in told(found)
    assert found.synthetic == f"synthetic, says {release / 'SYNTHETIC.json'}"


def test_sheets_that_cannot_be_opened_are_told(release):
    (release / "gone.xlsx").symlink_to("/mnt/gone.xlsx")
    (release / "private.csv").write_text("Subject,Filename")
    (release / "private.csv").chmod(0)
    with as_nobody(release):
        found = read_casme2(release)
    assert f"passed over: {release / 'gone.xlsx'} is a link that leads nowhere" in told(found)
    assert f"passed over: {release / 'private.csv'} cannot be read (no permission)" in told(found)
    (release / "coding.xlsx").unlink()
    with pytest.raises(MerjaxError, match="looked at: .*gone.xlsx is a link that leads nowhere"):
        read_casme2(release)
