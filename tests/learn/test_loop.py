import itertools
from dataclasses import replace

import pytest
import torch
from pairs import DATA, Noisy

from pocketbert.base.errors import ModelError, PipelineError
from pocketbert.base.events import EpochScored, listening
from pocketbert.learn import loop
from pocketbert.learn.checkpoint import Checkpoints
from pocketbert.learn.loop import LengthBatches, Plan, train

PLAN = Plan(what="", epochs=4, batch_size=8, seed=3, warmup=0.1, max_norm=1.0)
LENGTHS = [3 + i % 7 for i in range(50)]
STEPS = 4 * 7


class KilledError(Exception):
    pass


def data(rows):
    return {"x": DATA[rows]}


def trained(plan=PLAN, *, collate=data, score=None, checkpoints=None, module=None, rate=0.01):
    module = module or Noisy()
    groups = [{"params": list(module.parameters()), "lr": rate}]
    train(module, groups, LENGTHS, collate, plan, score=score, checkpoints=checkpoints)
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def killed_at(step, checkpoints, **options):
    """Train until the loader is asked for a step beyond `step`."""
    calls = itertools.count()

    def collate(rows):
        if next(calls) == 2 * step:  # a batch has two halves
            raise KilledError
        return data(rows)

    with pytest.raises(KilledError):
        trained(collate=collate, checkpoints=checkpoints, **options)


def test_training_lowers_the_loss():
    module = Noisy().eval()
    before = module(**data(list(range(50)))).item()
    trained(replace(PLAN, epochs=40), module=module)
    assert module(**data(list(range(50)))).item() < 0.5 * before


@pytest.mark.parametrize("step", [2, 8, 15, STEPS - 1])
def test_killed_training_goes_on_to_the_same_weights(tmp_path, step):
    checkpoints = Checkpoints(tmp_path / "state", 3)
    killed_at(step, checkpoints)
    assert torch.equal(trained(checkpoints=checkpoints), trained())


def test_training_killed_twice_goes_on_too(tmp_path):
    checkpoints = Checkpoints(tmp_path / "state", 2)
    for step in (5, 9):
        killed_at(step, checkpoints)
    assert torch.equal(trained(checkpoints=checkpoints), trained())


def test_resuming_does_not_repeat_steps(tmp_path):
    checkpoints, seen = Checkpoints(tmp_path / "state", 5), []
    killed_at(18, checkpoints)
    trained(collate=lambda rows: seen.append(rows) or data(rows), checkpoints=checkpoints)
    assert len(seen) == 2 * (STEPS - 15)


def test_best_epoch_is_kept_through_a_kill(tmp_path):
    def scores():
        values = iter((0.1, 0.9, 0.3, 0.2))
        return lambda: next(values)

    whole = trained(score=scores())
    assert torch.equal(whole, trained(replace(PLAN, patience=1), score=scores()))
    checkpoints = Checkpoints(tmp_path / "state", 7)
    killed_at(23, checkpoints, score=scores())
    later = iter((0.2,))
    assert torch.equal(whole, trained(score=lambda: next(later), checkpoints=checkpoints))


def test_training_stops_when_the_score_no_longer_rises():
    asked = []
    trained(replace(PLAN, epochs=9, patience=2), score=lambda: asked.append(0) or 0.5)
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("plan", "rate", "message"),
    [
        (replace(PLAN, epochs=5), 0.01, "made with epochs 4, and now it is 5"),
        (replace(PLAN, seed=4), 0.01, "made with seed 3, and now it is 4"),
        (PLAN, 0.02, r"made with learning_rates \[0.01\], and now it is \[0.02\]"),
    ],
)
def test_checkpoint_of_other_settings_is_refused_and_kept(tmp_path, plan, rate, message):
    checkpoints = Checkpoints(tmp_path / "state", 3)
    killed_at(10, checkpoints)
    kept = sorted(tmp_path.rglob("*"))
    with pytest.raises(ModelError, match=f"{message}. Go on with the earlier settings, or delete"):
        trained(plan, rate=rate, checkpoints=checkpoints)
    assert sorted(tmp_path.rglob("*")) == kept


@pytest.mark.parametrize("name", ["state.safetensors", "checkpoint.json"])
def test_damaged_checkpoint_is_refused(tmp_path, name):
    checkpoints = Checkpoints(tmp_path / "state", 3)
    killed_at(10, checkpoints)
    (newest,) = checkpoints.folder.iterdir()
    (newest / name).write_bytes(b"{}")
    with pytest.raises(ModelError, match=r"cannot be read .* Delete"):
        trained(checkpoints=checkpoints)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_loss_that_is_not_finite_stops_at_its_step(value):
    calls = itertools.count(1)

    def collate(rows):
        batch = data(rows)
        return {"x": batch["x"] * (value if next(calls) == 2 * 6 else 1)}

    with pytest.raises(PipelineError, match=r"The loss is (nan|inf) at step 6 of 28\. Lower"):
        trained(collate=collate)


def test_gradient_that_is_not_finite_stops_before_it_spoils_the_weights(tmp_path):
    class Steep(Noisy):
        def forward(self, x):
            # sqrt at zero: a finite loss with an infinite slope.
            return super().forward(x) + (self.layers(x) * 0).pow(2).sum().sqrt()

    with pytest.raises(PipelineError, match="The gradient is nan at step 1 of 28"):
        trained(module=Steep())


def test_batches_are_full_alike_in_length_and_hold_every_row():
    lengths = [i % 30 for i in range(1000)]
    plan = replace(PLAN, epochs=1, batch_size=16)
    batches = list(LengthBatches(lengths, plan))
    assert len(batches) == len(LengthBatches(lengths, plan)) == 63
    assert {len(batch) for batch in batches} == {16}
    assert {row for batch in batches for row in batch} == set(range(1000))
    spread = [max(lengths[i] for i in b) - min(lengths[i] for i in b) for b in batches]
    assert sum(spread) / len(spread) < 3


def test_fewer_rows_than_a_batch_fill_it_up():
    (batch,) = LengthBatches([1, 2, 3], replace(PLAN, epochs=1))
    assert len(batch) == 8
    assert set(batch) == {0, 1, 2}


def test_order_follows_from_seed_and_epoch():
    epochs = [list(LengthBatches(LENGTHS, PLAN, first=7 * epoch))[:7] for epoch in range(3)]
    assert epochs[0] != epochs[1]
    assert list(LengthBatches(LENGTHS, PLAN))[:14] == epochs[0] + epochs[1]
    assert list(LengthBatches(LENGTHS, replace(PLAN, seed=4)))[:7] != epochs[0]


def heard(**options):
    """Every event of a training."""
    events = []
    with listening(events.append):
        trained(**options)
    return events


def test_training_tells_of_every_step_and_of_the_whole():
    *steps, whole = heard()
    assert [event.step for event in steps] == list(range(1, STEPS + 1))
    assert whole.losses == tuple((event.step, event.loss) for event in steps)
    assert whole.losses[-1][1] < whole.losses[0][1]


def test_scores_are_told_and_kept():
    scores = iter([0.2, 0.3, 0.5, 0.4])
    events = heard(score=lambda: next(scores))
    assert events[-1].scores == ((7, 0.2), (14, 0.3), (21, 0.5), (28, 0.4))
    assert [event.score for event in events if isinstance(event, EpochScored)] == [
        *(0.2, 0.3, 0.5, 0.4)
    ]


def test_long_curve_has_few_points_that_are_means(monkeypatch):
    monkeypatch.setattr(loop, "POINTS", 10)
    *steps, whole = heard()
    assert [step for step, _ in whole.losses] == [3, 6, 9, 12, 15, 18, 21, 24, 27, 28]
    assert whole.losses[1][1] == pytest.approx(sum(event.loss for event in steps[3:6]) / 3)


def test_killed_training_tells_the_curve_that_an_unbroken_one_tells(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "POINTS", 10)
    checkpoints = Checkpoints(tmp_path / "state", 4)  # in the middle of a point
    killed_at(15, checkpoints)
    assert heard(checkpoints=checkpoints)[-1] == heard()[-1]
