"""What `matcher fit` fits, on series whose answer is known; and the model file it writes."""

import json
import math
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

import matcher
from matcher.cli import main
from matcher.cutting.options import CutOptions
from matcher.cutting.run import cut
from matcher.decision.confidence import confidence_features
from matcher.errors import FormatError, MatcherError, SettingsError
from matcher.fitting import observed as observing
from matcher.fitting.colours import RIDGE, ColourPairs
from matcher.fitting.observed import COUNTS, Observed, joined, observe
from matcher.fitting.options import FitOptions
from matcher.fitting.rounds import MOST
from matcher.fitting.run import fit_model
from matcher.fitting.spectra import SIDE, STEPS, MeanSpectra, spectrum
from matcher.fitting.trust import STEEPEST, enough, fit_mutual, fit_odds, fit_trust, held_out
from matcher.imagery import Roles
from matcher.model import FREQUENCIES, VERSION, Model, Odds, Trust, read_model, shipped
from matcher.search.candidates import Candidates
from matcher.settings import DEFAULT_EVIDENCE
from tests.decision.test_settle import naive_statistics
from tests.evidence.test_evidence import FOUR, texture

BANDS = ("red", "green", "blue", "nir")
CHANCE = 30.0
MADE = (-3.9, 1.5, 6.0, -2.0, 1.0, 8.0)  # what the answers of `observed` are right by
NEVER, ALWAYS = (Trust(level, 0.0, 0.0, level, 0.0, 0.0) for level in (-60.0, 60.0))


def fields_of(amplitude, side, count=40):
    """Fields (count, side, side) of random phase whose amplitude at a frequency, cycles a pixel, is as given."""
    white = np.fft.fft2(np.random.default_rng(0).normal(size=(count, side, side)))
    frequency = np.hypot(np.fft.fftfreq(side)[:, np.newaxis], np.fft.fftfreq(side))
    return np.fft.ifft2(white * amplitude(frequency)).real


class TestSpectra:
    def test_white_noise_is_flat(self):
        found = spectrum(fields_of(np.ones_like, SIDE))
        assert len(found) == FREQUENCIES
        assert found / found.mean() == pytest.approx(1, abs=0.1)

    @pytest.mark.parametrize("power", [0.5, 1.0])
    def test_fields_that_fade_with_frequency(self, power):
        """Amplitude 1 / f: energy 1 / f^2, so that the template's response, one over the root, grows as f."""
        found = spectrum(fields_of(lambda f: 1 / np.maximum(f, 1 / 200) ** power, SIDE))
        rings = np.arange(2, 12)  # below, a ring is as wide as its own frequency
        assert found[2:] / found[8] == pytest.approx((rings / 8.0) ** (-2 * power), rel=0.15)

    @pytest.mark.parametrize("ring", [0, 3, 7])
    def test_a_wave_lies_in_its_ring(self, ring):
        found = spectrum(np.cos(2 * np.pi * np.arange(SIDE) * ring / STEPS) * np.ones((1, SIDE, 1)))
        assert found.argmax() == ring
        assert np.delete(found, ring).max() < 1e-3 * found[ring]

    def test_groups_count_alike(self):
        """Many windows of one group weigh as much as one of another: responses are geometric means."""
        one, other = texture(60, 70, seed=1), texture(60, 70, seed=2) // 9 + 500
        alone = []
        for dn in (one, other):
            spectra = MeanSpectra()
            spectra.add(dn, FOUR, "")
            alone.append(np.array(spectra.responses()["phase2"]))
        both = MeanSpectra()
        for dn, group in ((one, "a"), (one, "a"), (one, "a"), (other, "b")):
            both.add(dn, FOUR, group)
        mean = np.sqrt(alone[0] * alone[1])
        assert both.responses()["phase2"] == pytest.approx(mean / mean.max(), abs=0.015)

    def test_one_band_has_no_ratio(self):
        spectra = MeanSpectra()
        spectra.add(texture(60, 70, 1), Roles.of(("gray",)), "")
        assert sorted(spectra.responses()) == ["phase", "phase2"]


def test_colour_pairs_as_loops():
    pairs, seen = ColourPairs(), {64: [], 32: []}
    for k in range(9):
        side = (64, 32)[k % 2]
        dates = texture(side, side, seed=k), texture(side, side, seed=50 + k) // 2
        pairs.add(*dates)
        seen[side].append([naive_statistics(dn, (side, side))[0, 0] for dn in dates])
    model = pairs.model(BANDS)
    within, apart = np.zeros((8, 8)), np.zeros((8, 8))
    for rows in seen.values():
        windows = [one for pair in rows for one in pair]
        mean = sum(windows) / len(windows)
        for i in range(8):
            for j in range(8):
                products = [(a - b)[i] * (a - b)[j] for a, b in rows]
                within[i, j] += sum(products) / len(rows) / 2
                spread = sum((w - mean)[i] * (w - mean)[j] for w in windows) / (len(windows) - 1)
                apart[i, j] += 2 * spread / 2
    np.testing.assert_allclose(model.within, within + RIDGE * np.eye(8), atol=1e-4)
    np.testing.assert_allclose(model.apart, apart + RIDGE * np.eye(8), atol=1e-4)
    assert len(pairs) == 9


def observed(count=20000, seed=0, trust=MADE, **others):
    """Answers right, wrong and of absent patches by the odds that a trust says; or with other fields."""
    rng = np.random.default_rng(seed)
    score = rng.uniform(30, 300, count)
    runner_up = score / rng.uniform(1.25, 3, count)  # no twins, which are held to half at most
    pixels = rng.uniform(200, 4000, count)
    told = confidence_features(score, runner_up, pixels, CHANCE)
    absent, wrong = (np.exp(-told @ np.array(part)) for part in (trust[:3], trust[3:]))
    draw = rng.random(count) * (1 + absent + wrong)
    right, here = draw < 1, draw < 1 + wrong
    fields = {
        "score": score,
        "runner_up": runner_up,
        "pixels": pixels,
        "chance": np.full(count, CHANCE),
        "right": right,
        "sought": np.stack([score, runner_up], axis=-1),
        "shared": np.zeros((count, 2)),
        "hit": np.stack([right, np.zeros(count, bool)], axis=-1),
        "here": here,
        "whole": np.zeros(count, bool),
        "fault": np.full(count, ""),
        "place": rng.choice(["a", "b", "c"], count),
        "group": rng.choice(["wood", "town"], count),
        "side": rng.choice([32, 64], count),
        "bands": np.full(count, 4),
        "log_pixels": np.full(count, 15.0),
    }
    return Observed(**(fields | others))


class TestTrust:
    def test_finds_what_made_the_answers(self):
        one = observed(60000)
        fitted = fit_trust(one)
        assert fitted[1:3] == pytest.approx(MADE[1:3], rel=0.15)
        assert fitted[3:] == pytest.approx(MADE[3:], rel=0.15)
        here = one.here.mean()  # more often than half the time, which the level is for
        assert fitted.level == pytest.approx(MADE[0] + math.log((1 - here) / here), abs=0.3)
        assert fit_trust(one.rows(one.right | one.here | (np.arange(60000) % 2 == 0))).level == pytest.approx(
            fitted.level, abs=0.2
        )

    def test_absent_patches_are_told_from_those_that_were_sought_among_as_many(self):
        """Rounds of all images, in which no patch is absent, tell of wrong answers alone."""
        one = observed(6000)
        there = one.rows(one.here)
        closed = replace(there, right=~there.right, whole=np.ones(len(there.right), bool))
        alone, both = fit_trust(one), fit_trust(joined([one, closed]))
        assert both[:3] == alone[:3]
        assert both[3:] != alone[3:]

    def test_odds_are_those_that_made_the_choices(self):
        """Patches whose two best places are right as often as odds say, with texture and without."""
        rng = np.random.default_rng(3)
        count, pixels = 60000, 12.0
        score = rng.uniform(25, 140, count)
        runner_up = score * rng.uniform(0.5, 1, count)
        fault = rng.choice(["", "flat", "clouded"], count)
        flat = fault == "flat"
        level = np.where(flat, -5.0, 1.0)
        odds = [np.exp(0.15 * s + level - pixels) for s in (score, runner_up)]
        draw = rng.random(count) * (1 + odds[0] + odds[1])
        right = draw < odds[0]
        second = ~right & (draw < odds[0] + odds[1]) & ~flat
        right[fault == "clouded"] = False  # nothing of these counts
        one = observed(
            count,
            score=score,
            runner_up=runner_up,
            pixels=np.full(count, 1e6),
            right=right,
            sought=np.stack([score, runner_up], axis=-1),
            hit=np.stack([right, second], axis=-1),
            fault=fault,
            log_pixels=np.full(count, pixels),
        )
        fitted = fit_odds(one, NEVER, Odds(0.0, 0.0, 0.0, 0.02))
        assert fitted.slope == pytest.approx(0.15, rel=0.05)
        assert fitted.level == pytest.approx(1.0, abs=0.4)
        assert fitted.flat == pytest.approx(-5.0, abs=0.7)  # its runners-up are taken for wrong

    def test_odds_are_kept_where_nothing_is_in_doubt(self):
        before, one = Odds(1.0, 0.2, -1.0, 0.02), observed()
        clear = replace(one, score=one.score + 6000, runner_up=np.full(len(one.score), CHANCE))
        for fit in (fit_odds, fit_mutual):
            assert fit(clear, ALWAYS, before) == before

    def test_a_nat_is_worth_what_made_the_choices(self):
        """Between two places, by scores and what they share; patches under cloud or without texture tell nothing."""
        rng = np.random.default_rng(4)
        count, odds = 40000, Odds(2.0, 0.15, -1.0, 0.5)
        sought, shared = rng.uniform(25, 60, (count, 2)), rng.uniform(0, 900, (count, 2))
        log_odds = 0.15 * sought + 0.012 * shared
        first = rng.random(count) < 1 / (1 + np.exp(log_odds[:, 1] - log_odds[:, 0]))
        fault = rng.choice(["", "flat", "saturated"], count)
        first[fault != ""] = shared[fault != "", 0] < shared[fault != "", 1]
        one = observed(
            count, sought=sought, shared=shared, fault=fault, hit=np.stack([first, ~first], axis=-1),
            score=np.full(count, 50.0),
        )  # fmt: skip
        fitted = fit_mutual(one, NEVER, odds)
        assert fitted.mutual == pytest.approx(0.012, rel=0.05)
        assert fitted[:3] == odds[:3]
        worthless = replace(one, shared=-shared)
        assert fit_mutual(worthless, NEVER, odds).mutual == 0

    def test_a_nat_of_what_is_always_right_is_finite(self):
        one = observed(2000, hit=np.tile([True, False], (2000, 1)), shared=np.tile([400.0, 200.0], (2000, 1)))
        fitted = fit_mutual(one, NEVER, Odds(0.0, 0.0, 0.0, 0.0))
        assert 0 < fitted.mutual < 1

    def test_odds_of_what_is_always_right_are_finite(self):
        one = observed(2000, trust=ALWAYS)
        fitted = fit_odds(one, NEVER, Odds(0.0, 0.0, 0.0, 0.02))
        assert 0 < fitted.slope <= STEEPEST
        assert np.isfinite(fitted).all()

    def test_odds_where_there_is_no_runner_up(self):
        one = replace(observed(), runner_up=np.full(20000, np.nan))
        fitted = fit_odds(one, NEVER, Odds(0.0, 0.0, 0.0, 0.02))
        assert np.isfinite(fitted).all()

    @pytest.mark.parametrize("by", ["place", "group"])
    def test_held_out_holds_where_places_are_alike(self, by):
        one = observed()
        here, absent = (np.flatnonzero(of) for of in (one.here, ~one.here))
        even = np.zeros(len(one.right), bool)  # half of the patches are there
        even[here[: len(absent)]] = even[absent[: len(here)]] = True
        one = one.rows(even)
        held = held_out(one, shipped().trust, by)
        assert set(held) == {"open rounds", "32 px", "64 px", "4 bands", "town", "wood"}
        assert held["open rounds"].count == len(one.right)
        for part in held.values():
            assert part.auc > 0.85
            assert all(abs(b.excess) < 0.05 for b in part.bins if b.count > 200)
            assert sum(b.count for b in part.bins) == part.count

    def test_each_place_by_the_others(self):
        """A place where every answer is wrong does not lower its own confidences."""
        one = observed()
        spoilt = replace(one, right=one.right & (one.place != "a"))
        own = one.place == "a"
        without = replace(spoilt.rows(~own), place=np.full((~own).sum(), "b"))
        assert fit_trust(spoilt, ~own) == fit_trust(without)
        alone = held_out(replace(spoilt, group=spoilt.place), shipped().trust)["a"]
        assert alone.wrong == alone.count == own.sum()
        assert max(b.confidence for b in alone.bins if b.count) > 0.9

    def test_closed_rounds_expect_every_patch(self):
        """The same patches twice: those sought in all images are no part of the open rounds."""
        one = observed(4000)
        both = joined([replace(one, whole=np.full(4000, whole)) for whole in (True, False)])
        held = held_out(both, shipped().trust)
        assert held["closed rounds"].count == held["open rounds"].count == held["4 bands"].count == 4000
        said = [
            sum(b.count * b.confidence for b in held[k].bins if b.count)
            for k in ("closed rounds", "open rounds")
        ]
        assert said[0] > said[1]

    def test_too_few_wrong_answers(self):
        one = observed(200, trust=ALWAYS)
        assert not enough(one)
        assert enough(observed())


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """Six places of two dates: smooth ground, gains and offsets of their own, and noise."""
    folder = tmp_path_factory.mktemp("series")
    for k in range(6):
        rng = np.random.default_rng(k)
        ground = texture(180, 200, seed=k).astype(np.float64)
        dates = [
            np.clip(
                ground * rng.uniform(0.6, 1.2, 4) + rng.uniform(0, 300, 4) + rng.normal(0, 30, ground.shape),
                1,
                4095,
            )
            for _ in range(2)
        ]
        np.savez(folder / f"place-{k}.npz", images=np.array(dates).astype(np.uint16), group="ab"[k % 2])
    return sorted(folder.glob("*.npz"))


class TestFit:
    @pytest.mark.slow
    def test_same_again_and_in_any_order(self, series):
        options = FitOptions(sides=(32,), rounds=0)
        first = fit_model(series, options)
        assert (first.places, first.windows, first.patches) == (6, 120, 0)
        assert first.pairs == 360
        assert not first.fitted_trust
        assert "kept: no patches were sought" in str(first)
        assert first.model.trust == shipped().trust
        assert fit_model(series, options).model.digest == first.model.digest
        turned = fit_model(series[::-1], options).model
        for kind, response in turned.responses.items():
            assert response == pytest.approx(first.model.responses[kind], abs=0.011)
        np.testing.assert_allclose(turned.colour.within, first.model.colour.within, atol=2e-5)

    @pytest.mark.slow
    def test_rounds_are_matched_by_the_new_numbers(self, series):
        seen = []
        made = fit_model(
            series,
            FitOptions(sides=(32,), rounds=1),
            progress=lambda done, of: seen.append((done, of)),
        )
        assert seen == [(k, 3) for k in range(1, 4)]  # four bands, three and one
        assert made.patches == 3 * MOST
        assert made.model.evidence == DEFAULT_EVIDENCE
        assert not made.fitted_trust  # all are clear
        assert "too few answers in doubt" in str(made)
        json.dumps(made.to_dict(), allow_nan=False)

    def test_what_is_observed(self, series, tmp_path):
        """Each patch among all images, among some with its own, and among some without, where it cannot be right."""
        options = CutOptions(patches=4, side=32, largest=96, form="arrays")
        cut(series, tmp_path / "cut", options)
        rng = np.random.default_rng(0)
        one = observe(tmp_path / "cut", matcher.Settings(bands=BANDS, value_range="dn"), BANDS[:3], 9, rng)
        assert one.here.tolist() == [True] * 18 + [False] * 9
        assert one.whole.tolist() == [True] * 9 + [False] * 18
        assert not one.right[~one.here].any()
        assert one.right[one.here].mean() > 0.8
        assert set(one.bands.tolist()) == {3}
        assert (one.score >= one.runner_up)[one.right].all()
        alone = one.runner_up[one.here & ~one.whole]
        assert (alone >= 0).all()  # a rival in the same image, if that is the only one

    def test_draws(self):
        """As many images as were drawn, with the own one or without it."""
        target = np.tile(np.arange(30), (60, 1))
        score = np.random.default_rng(1).uniform(1, 9, target.shape).astype(np.float32)
        all_ = Candidates.alone(target, np.zeros((60, 30, 2), np.int64), score)
        own = np.arange(60) % 30
        seen = set()
        for here in (True, False):
            found = observing._drawn(all_, own, here, np.random.default_rng(2))
            count = (found.target >= 0).sum(1)
            assert ((found.target == own[:, np.newaxis]).any(1) <= here).all()
            seen |= set(count.tolist())
            assert (found.score[count == 1, 0] == score[np.arange(60), own][count == 1]).all() or not here
        assert seen == {1, 2, observing.KEEP}
        whole = observing._drawn(all_, own, True, None)
        assert (whole.score[:, 0] == score.max(1)).all()
        assert min(COUNTS) == 1

    @pytest.mark.slow
    def test_command(self, series, tmp_path):
        out = tmp_path / "model.npz"
        done = CliRunner().invoke(
            main, ["fit", *map(str, series), "-o", str(out), "--rounds", "0", "--side", "32", "-q"]
        )
        assert done.exit_code == 0, done.output
        assert "6 places" in done.output
        assert read_model(out).digest == fit_model(series, FitOptions(sides=(32,), rounds=0)).model.digest

    @pytest.mark.parametrize("count", [0, 1])
    def test_too_little(self, series, count, tmp_path):
        lone = tmp_path / "one-date.npz"
        np.savez(lone, images=np.full((1, 80, 80, 4), 500, np.uint16))
        with pytest.raises(MatcherError, match="a fit needs two places"):
            fit_model([*series[:count], lone], FitOptions(sides=(64, 32), rounds=0))

    @pytest.mark.slow
    def test_one_series_twice(self, series, tmp_path):
        copy, link = tmp_path / "copy.npz", tmp_path / "link.npz"
        shutil.copy(series[0], copy)
        link.symlink_to(series[0])
        for again in (
            series[0],
            series[0].parent / ".." / series[0].parent.name / series[0].name,
            copy,
            link,
        ):
            with pytest.raises(MatcherError, match="is given twice"):
                fit_model([series[0], again], FitOptions(sides=(32,), rounds=0))

    @pytest.mark.slow
    def test_other_bands(self, series, tmp_path):
        gray = tmp_path / "gray.npz"
        np.savez(gray, images=np.full((2, 80, 80, 1), 500, np.uint16))
        options = FitOptions(sides=(32,), rounds=0)
        made = fit_model([*series, gray], options)
        assert made.places == 7
        assert (
            made.model.digest == fit_model(series, options).model.digest
        )  # it tells what a score is worth alone

    @pytest.mark.parametrize(
        "options", [{"sides": ()}, {"sides": (4,)}, {"rounds": -1}, {"value_range": "auto"}]
    )
    def test_options(self, options):
        with pytest.raises(SettingsError):
            FitOptions(**options)


class TestModel:
    def test_there_and_back(self, tmp_path):
        path = tmp_path / "model.npz"
        shipped().save(path)
        again = read_model(path)
        assert again.digest == shipped().digest
        assert (again.trust, again.odds, again.responses) == (
            shipped().trust,
            shipped().odds,
            shipped().responses,
        )
        changed = Model(
            again.evidence,
            again.responses,
            again.colour,
            again.trust,
            Odds(3.5, math.nextafter(0.2, 1), 1.0, 0.01),
        )
        assert changed.digest != again.digest

    def test_what_ships(self):
        for response in shipped().responses.values():
            assert len(response) == FREQUENCIES
            assert max(response) == 1
            assert min(response) > 0
        assert shipped().colour.bands == BANDS
        assert min(shipped().trust[1:3]) > 0
        assert min(shipped().trust[4:]) > 0
        assert shipped().odds.slope > 0

    @pytest.mark.parametrize(
        ("spoil", "says"),
        [
            ({"trust": None}, "no array 'trust'"),
            ({"trust": np.ones(4)}, r"array 'trust': is float64 of shape \(4,\)"),
            ({"version": np.array(VERSION + 1)}, "another version"),
            ({"version": None}, "another version"),
            ({"evidence": None}, "another version"),
            ({"evidence": np.arange(3)}, "array 'evidence': holds no names"),
            ({"odds": np.array([1.0, np.nan])}, "array 'odds'"),
            ({"within": np.eye(7)}, "array 'within'"),
            ({"apart": -np.eye(8)}, "array 'apart': is no covariance"),
            ({"response-phase": np.zeros(12)}, "a number of 0 or less"),
            ({"response-phase": np.ones(5)}, "response-phase"),
            ({"bands": np.arange(4)}, "array 'bands': holds no names"),
        ],
    )
    def test_damaged(self, tmp_path, spoil, says):
        path = tmp_path / "model.npz"
        shipped().save(path)
        with np.load(path) as file:
            arrays = dict(file) | spoil
        np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
        with pytest.raises(FormatError, match=says) as caught:
            read_model(path)
        assert str(path) in str(caught.value)

    def test_no_archive(self, tmp_path):
        with pytest.raises(FormatError, match="no such file"):
            read_model(tmp_path / "none.npz")
        path = tmp_path / "text.npz"
        path.write_text("nothing")
        with pytest.raises(MatcherError, match=r"text\.npz"):
            read_model(path)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("trust.npy", b"junk")
        with pytest.raises(FormatError, match=r"text\.npz"):
            read_model(path)


class TestMatching:
    def test_each_number_counts(self, tmp_path):
        """Responses change the score, trust the confidence."""
        targets = [texture(100, 100, seed=k) for k in range(3)]
        noisy = targets[1][20:52, 30:62] + texture(32, 32, seed=9)
        plain = matcher.match(targets, [noisy], search="exhaustive")
        own = shipped()
        flat = dict.fromkeys(own.responses, (1.0,) * FREQUENCIES)
        path = tmp_path / "model.npz"
        Model(own.evidence, flat, own.colour, own.trust, own.odds).save(path)
        other = matcher.match(targets, [noisy], model=path, search="exhaustive")
        assert other.score[0] != plain.score[0]
        Model(own.evidence, own.responses, own.colour, NEVER, own.odds).save(path)
        other = matcher.match(targets, [noisy], model=str(path), search="exhaustive")
        assert other.score[0] == plain.score[0]
        assert other.confidence[0] < plain.confidence[0]

    @pytest.mark.parametrize("search", ["pyramid", "exhaustive"])
    def test_the_shipped_one_by_name_is_the_default(self, tmp_path, search):
        path = tmp_path / "model.npz"
        shipped().save(path)
        targets = [texture(90, 100, seed=k) for k in range(3)]
        patches = [targets[2][20:52, 30:62] + texture(32, 32, seed=9), np.full((32, 32, 4), 300, np.float32)]
        one, other = (matcher.match(targets, patches, search=search, model=model) for model in (None, path))
        for name in ("image", "x", "y", "score", "confidence"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))

    def test_a_missing_model_is_told_before_anything_is_read(self, tmp_path):
        with pytest.raises(FormatError, match=r"none\.npz: there is no such file"):
            matcher.match(tmp_path / "images.npz", tmp_path / "patches.npz", model=tmp_path / "none.npz")

    def test_a_run_is_another_with_other_numbers(self, tmp_path):
        """What a run directory holds is told by the model's numbers, not its path."""
        from matcher.identity import settings_identity

        paths = [tmp_path / name for name in ("a.npz", "b.npz", "c.npz")]
        own = shipped()
        for path, odds in zip(paths, (own.odds, own.odds, Odds(3.0, 0.2, 1.0, 0.01)), strict=True):
            Model(own.evidence, own.responses, own.colour, own.trust, odds).save(path)
        one, same, other = (settings_identity(matcher.Settings(model=path)) for path in paths)
        assert one == same
        assert one != other
        assert settings_identity(matcher.Settings())["model"] is None
