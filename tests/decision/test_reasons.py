"""Why an answer is in doubt: each reason by what makes it, in the match and in locate."""

import logging

import numpy as np
import pytest

import matcher
from matcher.decision.content import Content
from matcher.decision.reasons import CODES, fault, fault_of_little, has_little, is_twin, one_way, reason
from matcher.imagery import Roles
from tests.locating.test_locate import ground, other_date

ROLES = Roles.of(("red", "green", "blue", "nir"))
ENOUGH = Content(4096, 3800, 2500.0)
CHANCE = 30.0
LAND = ground(400, 400, 11)


def patch(row=50, col=60, side=64):
    return other_date(LAND)[row : row + side, col : col + side].astype(np.float32)


def noise(level=900.0, spread=5.0, side=64, seed=0):
    """Open water: even, with a sensor's noise."""
    return (level + np.random.default_rng(seed).normal(0, spread, (side, side, 4))).astype(np.float32)


def spoilt(kind, share):
    """A good patch whose upper part is of a kind."""
    out = patch()
    rows = round(share * len(out))
    cloud = 2600 + np.random.default_rng(1).normal(0, 150, (rows, 64, 1)) + np.zeros((rows, 64, 4))
    out[:rows] = {"nodata": 0, "saturated": 4095, "clouded": cloud, "flat": noise()[:rows]}[kind]
    return out


class TestFault:
    @pytest.mark.parametrize(
        ("kind", "enough", "little"),
        [("nodata", 0.3, 0.2), ("saturated", 0.55, 0.2), ("clouded", 0.4, 0.2), ("flat", 0.6, 0.4)],
    )
    def test_by_share(self, kind, enough, little):
        assert fault(spoilt(kind, enough), ROLES) == kind
        assert fault(spoilt(kind, little), ROLES) == ""

    @pytest.mark.parametrize(
        ("kind", "enough", "little", "otherwise"),
        [("nodata", 16, 15, ""), ("saturated", 30, 29, "clouded"), ("clouded", 18, 17, "")],
    )
    def test_a_quarter_half_and_three_tenths(self, kind, enough, little, otherwise):
        whole = patch()[: 64 if kind == "nodata" else 60].clip(max=1900)  # nothing bright
        for rows, said in ((enough, kind), (little, otherwise)):
            part = whole.copy()
            part[:rows] = {"nodata": 0, "saturated": 4080, "clouded": 3000}[kind]
            assert fault(part, ROLES) == said

    @pytest.mark.parametrize(("faint", "said"), [(32, "flat"), (31, "")])
    @pytest.mark.parametrize("along", [0, 1])
    def test_half_of_gradients_of_25_and_less_are_flat(self, faint, said, along):
        steps = np.where(np.arange(64) < faint, 25, 26)
        ramp = np.broadcast_to(500 + np.concatenate([[0], np.cumsum(steps)]), (65, 65))
        dn = np.moveaxis(ramp, 1, along)[..., np.newaxis].astype(np.float32)
        assert fault(dn, Roles.of(("gray",))) == said
        steep = np.concatenate([np.full_like(dn, 700), dn], axis=-1)  # the steepest band counts
        assert fault(steep, Roles.of(("a", "b"))) == said

    def test_good_ground_has_none(self):
        assert fault(patch(), ROLES) == ""
        assert fault(ground(64, 64, 3).astype(np.float32), ROLES) == ""

    def test_a_saturated_cloud_of_some_pixels_is_a_cloud(self):
        assert fault(spoilt("saturated", 0.4), ROLES) == "clouded"

    def test_bright_plants_are_no_cloud_and_nothing_saturated(self):
        dn = patch()
        dn[..., 3] = 4095
        assert fault(dn, ROLES) == ""

    def test_eight_bit_white_counts_as_the_ceiling(self):
        assert (
            fault(np.full((20, 20, 3), 255 * 16, np.float32), Roles.of(("red", "green", "blue")))
            == "saturated"
        )

    def test_one_band(self):
        lone = Roles.of(("gray",))
        assert fault(noise()[..., :1], lone) == "flat"
        assert fault(patch()[..., :1], lone) == ""

    def test_what_is_no_data_counts_for_nothing_else(self):
        dn = noise()
        dn[:12] = 0
        assert fault(dn, ROLES) == "flat"
        assert fault(np.zeros((20, 20, 4), np.float32), ROLES) == "nodata"
        assert fault(np.ones((20, 20, 4), np.float32), ROLES) == "flat"  # the darkest there is
        dn = patch()
        dn[:15], dn[15:40] = 0, 4095  # 25 of the 49 rows that hold data
        assert fault(dn, ROLES) == "saturated"
        dn[15:30], dn[30:] = 3000, patch()[30:]  # 15 of 49
        assert fault(dn, ROLES) == "clouded"


class TestReason:
    def test_the_patch_comes_first(self):
        assert reason(noise(), patch(), ROLES, ENOUGH, 40.0, 39.0, CHANCE) == "flat"

    def test_twins_stand_out_and_are_alike(self):
        assert is_twin(200.0, 150.0, CHANCE)
        assert not is_twin(200.0, 100.0, CHANCE)
        assert not is_twin(CHANCE + 1, CHANCE - 1, CHANCE)
        assert is_twin(CHANCE + 1, CHANCE, CHANCE)
        assert is_twin(159.0, 100.0, CHANCE)
        assert not is_twin(160.0, 100.0, CHANCE)
        assert reason(patch(), patch(), ROLES, ENOUGH, 200.0, 190.0, CHANCE) == "ambiguous"

    @pytest.mark.parametrize("kind", ["nodata", "saturated", "clouded"])
    def test_then_what_lies_on_the_place(self, kind):
        assert reason(patch(), spoilt(kind, 0.6), ROLES, ENOUGH, 20.0, 18.0, CHANCE) == kind

    def test_otherwise_weak(self):
        assert reason(patch(), noise(), ROLES, ENOUGH, 20.0, 18.0, CHANCE) == "weak"
        assert reason(patch(), None, ROLES, ENOUGH, -1.0, -1.0, CHANCE) == "weak"

    def test_edges_that_run_one_way(self):
        waves = Content(4096, 3900, 300.0)
        assert one_way(waves) == "stripes"
        assert one_way(ENOUGH) == one_way(Content(4096, 0, 0.0)) == one_way(Content(4096, 1000, 200.0)) == ""
        assert one_way(Content(4096, 1000, 199.0)) == one_way(Content(4096, 1, 0.1)) == "stripes"
        assert reason(patch(), patch(), ROLES, waves, 20.0, 18.0, CHANCE) == "stripes"
        assert reason(patch(), patch(), ROLES, waves, 200.0, 190.0, CHANCE) == "ambiguous"

    def test_a_sure_answer_has_a_reason_where_its_patch_has_little_to_say(self):
        assert not has_little(ENOUGH)
        assert not has_little(Content(1000, 900, 300.0))
        assert has_little(Content(1000, 900, 299.0))
        assert fault_of_little(spoilt("saturated", 0.9), ROLES, ENOUGH) == ""
        assert fault_of_little(spoilt("saturated", 0.9), ROLES, Content(4096, 300, 250.0)) == "saturated"
        assert fault_of_little(patch(), ROLES, Content(4096, 3900, 300.0)) == "stripes"
        assert fault_of_little(patch(), ROLES, Content(4096, 1300, 900.0)) == ""


def images():
    """Four images; the second and the third show the same ground."""
    parts = [LAND[:150, :150], LAND[200:350, :150], LAND[200:350, :150], LAND[:150, 200:350]]
    return [other_date(part, 20 + k) for k, part in enumerate(parts)]


@pytest.mark.parametrize("search", ["pyramid", "exhaustive"])
def test_every_doubtful_answer_of_a_match_has_a_reason_and_no_other(search):
    clear, twin = LAND[30:94, 40:104], LAND[230:294, 40:104]
    spoils = ("nodata", "saturated", "clouded")
    patches = [
        clear,
        twin,
        *(spoilt(kind, share).astype(np.uint16) for kind, share in zip(spoils, (0.99, 0.99, 1), strict=True)),
        noise().astype(np.uint16),
    ]
    result = matcher.match(images(), patches, search=search, value_range="dn")
    assert result.reason[:2] == ("", "ambiguous")
    assert set(result.reason[2:]) <= {*CODES, ""}
    assert result.reason[2:] == (*spoils, "flat")  # all have little to say, sure or not
    assert (result.confidence[2:] < 0.9).any()
    assert all(result.reason[n] for n in np.flatnonzero(result.confidence < 0.9))


@pytest.mark.parametrize("search", ["pyramid", "exhaustive"])
def test_ground_that_is_nowhere_is_weak(search):
    """Among about a thousand places, whose best by chance stays below chance; of many more a second may pass it."""
    views = [image[:80, :80] for image in images()]
    result = matcher.match(views, [ground(64, 64, 77)], search=search, value_range="dn")
    assert result.reason == ("weak",)
    assert result.confidence[0] < 0.5


@pytest.mark.parametrize("search", ["pyramid", "exhaustive"])
def test_four_rows_beside_a_cloud_are_enough_to_be_sure(search):
    """Of a cloud as bright in all bands the ratios see nothing, and what lies beside it has all the say."""
    patch = spoilt("clouded", 0.94).astype(np.uint16)
    assert fault(patch.astype(np.float32), ROLES) == "clouded"
    result = matcher.match(images(), [patch], search=search, value_range="dn")
    assert (result.image[0], result.y[0], result.x[0], result.reason[0]) == (0, 50, 60, "")


def test_reasons_do_not_depend_on_the_cut():
    from matcher.matching.job import prepare
    from matcher.matching.run import match_rows

    patches = [LAND[30:94, 40:104], noise().astype(np.uint16), LAND[230:294, 40:104]]
    job = prepare(images(), patches, value_range="dn")
    whole = match_rows(job).reason
    apart = tuple(match_rows(job, np.array([k])).reason[0] for k in range(3))
    assert whole == apart == ("", "flat", "ambiguous")


def test_locate_says_why(tmp_path, caplog):
    pytest.importorskip("rasterio")
    from tests.formats.test_rasters import write

    scene = write(tmp_path / "scene.tif", np.concatenate([LAND[:200], LAND[:200]], axis=1), nodata=0)
    (tmp_path / "chips").mkdir()
    chips = {
        "clear": LAND[210:258, 10:58], "twin": LAND[30:78, 40:88], "water": noise(side=48),
        "white": np.full((48, 48, 4), 4095),
    }  # fmt: skip
    scene_too = write(tmp_path / "other.tif", LAND[200:])
    for name, array in chips.items():
        write(tmp_path / "chips" / f"{name}.tif", array.astype(np.uint16))
    with caplog.at_level(logging.INFO, "matcher"):
        places = matcher.locate(tmp_path / "chips", [scene, scene_too], value_range="dn")
    said = {place.chip.rsplit("/", 1)[1][:-4]: (place.rank, place.reason) for place in places}
    assert said["clear"] == (1, "")
    assert said["twin"][1] == "ambiguous"
    assert said["water"] == (0, "flat")
    assert said["white"] == (0, "saturated")
    assert any("water.tif: in none of these scenes (flat)" in line for line in caplog.messages)
