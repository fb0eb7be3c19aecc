"""Recipes that cannot be: one sentence, exit code 2, before anything is written."""

from pathlib import Path

import pytest
from tiny import Tiny

from skyloom import cli


@pytest.mark.parametrize(
    ("network", "settings", "sentence"),
    [
        ("transformer", "model.widht=3", "found in the command line: the nearest setting is "
         "'model.width'"),
        ("transformer", "loop.log_every=soon", "\"soon\": an integer is expected"),
        ("transformer", "loop.log_every=0", "log_every is 0 and must be 1 or more"),
        ("transformer", "loop.batches=-1", "batches is -1 and must be 0 or more"),
        ("transformer", "optim.lr=-1", "lr is -1 and must be 0 or more"),
        ("transformer", "optim.lr=nan", "lr is nan and must be 0 or more"),
        ("transformer", "optim.betas=[2, 2]", "betas is 2 and must be from 0 to 0.99999"),
        ("transformer", "optim.ema=2", "ema is 2 and must be from 0 to 1"),
        ("transformer", "drop_prompt=2", "drop_prompt is 2 and must be from 0 to 1"),
        ("transformer", "routed=1.5", "routed is 1.5 and must be from 0 to 0.95"),
        ("transformer", "views=[]", "views is empty"),
        ("transformer", "seed=-1", "seed is -1 and must be from 0"),
        ("transformer", "model.depth=0", "depth is 0 and must be 1 or more"),
        ("transformer", "model.patch=[0, 1, 1]", "patch is 0 and must be 1 or more"),
        ("transformer", "text.vocabulary=10", "text.vocabulary is 10"),
        ("transformer", "tokens=3", "a budget of at least 12 tokens works"),
        ("transformer", "held_out=6", "has 6 clips and held_out is 6"),
        ("transformer", "data=/nowhere", "'/nowhere' is no prepared dataset"),
        ("transformer", "autoencoder=/nowhere", "The model folder '/nowhere' does not exist"),
        ("transformer", "start=/nowhere", "start must name a model folder"),
        ("transformer", "parallel.context=2", "context is 2 and there is 1 process: start"),
        ("transformer", "parallel.context=3", "has 2 heads"),
        ("transformer", "preset=tini", "the nearest is 'tiny'"),
        ("autoencoder", "parallel.shard=true", "There is no setting 'parallel'"),
        ("autoencoder", "shapes=[]", "shapes is empty"),
        ("autoencoder", "real_share=2", "real_share is 2 and must be from 0 to 1"),
        ("autoencoder", "world=/nowhere", "'/nowhere' is no dataset"),
    ],
)  # fmt: skip
def test_a_recipe_that_cannot_be(
    tiny: Tiny,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    network: str,
    settings: str,
    sentence: str,
) -> None:
    recipe = tiny.root / f"{network}.toml"
    out = tmp_path / "run"
    assert cli.main(["train", network, str(recipe), settings, f"out={out}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("skyloom: ") and said.count("\n") == 1 and sentence in said
    assert not out.exists()


def test_latents_of_another_autoencoder(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from skyloom.modelfolder import BUNDLED

    words = ["train", "transformer", str(tiny.transformer_recipe), f"autoencoder={BUNDLED}"]
    assert cli.main([*words, f"out={tmp_path / 'run'}"]) == 2
    assert "are of another autoencoder than that in" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_recipe_that_has_changed(
    tiny: Tiny, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "transformer", str(tiny.transformer_recipe), f"out={tmp_path}"]
    assert cli.main([*words, "--minutes", "1e-6"]) == 0
    words += ["optim.lr=0.5", "loop.log_every=1", "loop.tensorboard=true", "samples.steps=9"]
    assert cli.main(words) == 2
    said = capfd.readouterr().err
    assert "(optim.lr: 0.001 -> 0.5): undo that, go on all the same with --allow-changes" in said
    assert cli.main([*words, "--allow-changes"]) == 0
    assert list((tmp_path / "tensorboard").glob("events.*"))
