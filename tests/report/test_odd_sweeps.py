"""Pages of odd sweeps: each says what it cannot show, and shows no result where there is none."""

import re
import shutil

import pytest
from support.fake_runs import small_clips, write_fake_run
from support.report_command import page_of, report, words

CASME2 = small_clips(("casme2",))  # four subjects, so four folds
pytestmark = pytest.mark.usefixtures("undrawn")


def test_a_sweep_with_one_finished_fold_chooses_and_compares_nothing(tmp_path):
    folder = write_fake_run(tmp_path / "r", clips=CASME2, chunk_runs=1, unfinished=range(1, 8))
    text = words(page_of(folder))
    assert "Unfinished." in text
    assert "7 of 8 training runs" in text
    assert "of 1 of 4 folds" in text
    for absent in ("The price of choosing", "its lead", "Difference to", "UF1 against"):
        assert absent not in text, absent


def test_half_a_sweep_does_not_call_a_whole_trial_the_best_of_two(tmp_path):
    folder = write_fake_run(tmp_path / "r", clips=CASME2, chunk_runs=2, unfinished=(3,))
    text = words(page_of(folder))
    assert "cross-entropy, partial: 2 of 4 folds" in text
    assert "The price of choosing" not in text
    assert "The only trial to choose: focal" in text


def test_a_sweep_whose_runs_all_diverged_has_no_score_to_lead_with(tmp_path):
    every = [(trial, fold) for trial in ("focal", "cross-entropy") for fold in range(4)]
    text = words(page_of(write_fake_run(tmp_path / "r", clips=CASME2, diverged=every)))
    assert "every run diverged, so there is no score" in text
    for absent in ("The price of choosing", "its lead", "Highest of", "UF1 against", "Share of the variance"):
        assert absent not in text, absent
    assert "Nothing predicted." in text


def test_trials_that_diverged_are_no_candidates_for_the_best(tmp_path):
    lost = [("c", fold) for fold in range(4)]
    folder = write_fake_run(tmp_path / "r", clips=CASME2, skills={"a": 0.4, "b": 0.6, "c": 0.9}, diverged=lost)
    text = words(page_of(folder))
    assert "The price of choosing the best of 2 trials" in text


def test_clips_of_one_class_give_a_page_that_says_so(tmp_path):
    clips = CASME2.assign(label=0)
    text = words(page_of(write_fake_run(tmp_path / "r", clips=clips)))
    assert "All clips are of one class (negative)" in text
    assert "UF1" in text


def test_trials_of_several_protocols_stand_apart_with_a_sentence_each(tmp_path):
    a = write_fake_run(tmp_path / "a", name="three", clips=CASME2)
    b = write_fake_run(tmp_path / "b", name="five", clips=CASME2, data={"protocol": "au5", "split_hash": "3" * 16})
    text = words(page_of(a, b))
    assert "2 different protocols or splits" in text
    assert text.count("Highest of 2 trials") == 2  # one sentence for each
    assert "on CASME II (au5)" in text


LONG = "a" * 200
MARKUP = "<img src=x onerror=alert(1)> & {{ 7*7 }} </script><script>alert(2)</script>"


def test_names_with_markup_stay_text_and_long_ones_are_short_in_pictures(tmp_path):
    skills = {MARKUP: 0.4, LONG: 0.6, LONG + "b": 0.5, "short": 0.5}
    page = page_of(write_fake_run(tmp_path / "r", clips=CASME2, skills=skills))
    assert "<img src=x" not in page
    assert "alert(2)</script>" not in re.sub(r"&lt;/script&gt;", "", page)
    assert "{{ 7*7 }}" in words(page)
    names = re.findall(r'<th scope=row data-v="[^"]*" title="[^"]*">([^<]*)</th>', page)
    assert len(set(names)) == 4
    assert all(len(name.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")) <= 40 for name in names)


def test_one_sweep_given_as_two_folders_is_named(tmp_path):
    a = write_fake_run(tmp_path / "a", clips=CASME2)
    shutil.copytree(a, tmp_path / "b")
    text = words(page_of(a, tmp_path / "b"))
    assert f"{a} and {tmp_path / 'b'} hold the same predictions" in text
    half = write_fake_run(tmp_path / "half", clips=CASME2, unfinished=(1,))
    text = words(page_of(a, half))
    assert f"{a} and {half} are folders of the same sweep" in text
    assert "merjax merge" in text


@pytest.mark.parametrize("kind", ["plan.json", "predictions-0000.parquet"])
def test_a_damaged_folder_is_a_sentence(tmp_path, kind):
    folder = write_fake_run(tmp_path / "r", clips=CASME2, chunk_runs=8)
    (folder / kind).write_bytes(b"nothing")
    result = report(folder)
    assert result.returncode == 2
    assert kind in result.stderr or "none of the 1 chunks" in result.stderr
    assert "Traceback" not in result.stderr


def test_two_trials_that_answer_alike_have_no_lead_to_speak_of(tmp_path):
    folder = write_fake_run(tmp_path / "r", clips=CASME2, skills={"a": 1.0, "b": 1.0})
    text = words(page_of(folder))
    assert "is more than chance would give" not in text
    assert not re.search(r"\bnan\b", text)
