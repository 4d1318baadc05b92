"""A network that is added by the recipe of CONTRIBUTING.md, outside of merjax, and trained through the public names."""

import sys

import pytest
from support.flow_experiment import experiment_of, flow_images

import merjax
import merjax.sweeps.plan

MODULE = '''\
import jax.numpy as jnp
from flax import linen as nn

from merjax.methods.flow_networks import FlowNetwork, as_images, batch_of_images


class Toy(nn.Module):
    """The mean of each channel, and a linear layer on these."""

    classes: int

    @nn.compact
    def __call__(self, images_CxHxWxB, weight_B, dropout_rate, key):
        return nn.Dense(self.classes)(jnp.mean(images_CxHxWxB, (1, 2)).T * 100)


TOY = FlowNetwork(Toy, as_images, batch_of_images, 1)
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    (tmp_path / "mylab_toy.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    yield "mylab_toy:TOY"
    sys.modules.pop("mylab_toy", None)
    sys.path[:] = [entry for entry in sys.path if entry != str(tmp_path)]


@pytest.mark.usefixtures("undrawn")
def test_a_toy_network_outside_of_merjax_is_trained_tested_saved_and_loaded(toy, tmp_path, monkeypatch):
    data = experiment_of(flow_images())
    monkeypatch.setattr(merjax.sweeps.plan, "data_of", lambda config: data)
    base = {
        "method": toy,
        "data": {"folds": "loso"},
        "peer": {"epochs": 200, "batch": 16, "learning_rate": 0.1},
        "engine": {"workers": 1, "save_models": True},
    }
    result = merjax.run_sweep({"base": base}, out=tmp_path / "run")
    # which channel moves shows in its mean, which is all that the network sees: every held-out clip is told apart
    assert result.scores.set_index("trial").loc["base", "UF1"] == 1
    (name,) = {path.parent.name for path in (tmp_path / "run" / "models").rglob("casme2-sub00/card.json")}
    model_folder = tmp_path / "run" / "models" / "base" / "seed0" / name
    model = merjax.load_model(model_folder)
    assert model.config.method == toy
    del sys.modules["mylab_toy"]
    (tmp_path / "mylab_toy.py").unlink()
    again = merjax.open_sweep(tmp_path / "run")  # without the module, all that was found can still be read
    assert again.scores.equals(result.scores)
    assert merjax.make_report([again], out=tmp_path / "report", crops=False).is_file()
    assert merjax.load_model(model_folder).card["method"] == toy
    with pytest.raises(merjax.MerjaxError, match="cannot be imported"):
        merjax.run_sweep({"base": base}, out=tmp_path / "another")


def test_what_is_no_method_is_refused_with_what_may_have_been_meant(toy, tmp_path):
    with pytest.raises(merjax.MerjaxError, match=r'there is no method "stsnet"; did you mean ststnet or sssnet\?'):
        merjax.run_sweep({"base": {"method": "stsnet"}}, out=tmp_path / "run")
    for method, sentence in (
        ("mylab_toy:NOTHING", "cannot be imported"),
        ("mylab_toy:Toy", "must be a FlowNetwork"),
        (":TOY", 'no method ":TOY"; a network outside of merjax is written package.module:NAME'),
        (".mylab_toy:TOY", "is written package.module:NAME"),
        ("mylab_toy:", "is written package.module:NAME"),
    ):
        with pytest.raises(merjax.MerjaxError, match=sentence):
            merjax.run_sweep({"base": {"method": method}}, out=tmp_path / "run")
