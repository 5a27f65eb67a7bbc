"""Options: defaults, what they may be, and what is said where they cannot be."""

import inspect
import re
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import matcher
from matcher.cutting.options import CutOptions
from matcher.errors import MatcherError, SettingsError
from matcher.evidence import kind
from matcher.fitting.options import FitOptions
from matcher.imagery import _TO_DN
from matcher.settings import (
    BANDS_BY_COUNT,
    DEFAULT_EVIDENCE,
    EVIDENCE,
    RANGES,
    SEARCHES,
    SeriesOptions,
    Settings,
    with_options,
)


def test_defaults_hold():
    settings = Settings()
    assert settings.evidence == DEFAULT_EVIDENCE
    assert settings.search in SEARCHES
    assert settings.value_range == "auto"
    with pytest.raises(FrozenInstanceError):
        settings.search = "exhaustive"


def test_tables_hold_the_same_names():
    assert all(callable(kind(name)) for name in EVIDENCE)
    assert set(RANGES) == {"auto", *_TO_DN}
    assert set(DEFAULT_EVIDENCE) <= set(EVIDENCE)


@pytest.mark.parametrize("field", fields(Settings), ids=lambda field: field.name)
def test_every_option_is_documented(field):
    assert f"\n{field.name} : " in inspect.getdoc(Settings)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"search": "fast"}, "search 'fast': choose from pyramid, exhaustive"),
        ({"value_range": "12bit"}, "value_range '12bit': choose from auto, dn, signed"),
        ({"evidence": ()}, "no evidence: name one or more of bands"),
        ({"evidence": ""}, "evidence '': choose from bands"),
        ({"evidence": ("phase", "shape")}, "evidence 'shape': choose from bands, ndvi"),
        ({"evidence": ("phase", "phase")}, "evidence named twice in phase, phase"),
        ({"bands": ()}, "band names are empty"),
        ({"bands": ("red", "")}, "band names are empty"),
        ({"bands": ("red", "nir", "red")}, "a band is named twice in red, nir, red"),
        ({"effort": 0}, "effort 0: give a finite number from 0.1 to 100"),
        ({"effort": float("inf")}, "effort inf: give a finite number from 0.1 to 100"),
        ({"effort": "high"}, "effort 'high': give a finite number from 0.1 to 100"),
        ({"threads": 0}, "threads 0: give a whole number of 1 or more"),
        ({"threads": 1.5}, "threads 1.5: give a whole number of 1 or more"),
        ({"threads": True}, "threads True: give a whole number of 1 or more"),
        ({"memory": 1 << 20}, "memory 1048576: give 256 MiB or more"),
        ({"min_confidence": 1.5}, "min_confidence 1.5: give a finite number from 0 to 1"),
        ({"min_confidence": float("nan")}, "min_confidence nan: give a finite number from 0 to 1"),
        ({"memory": "2GiB"}, "memory '2GiB': give 256 MiB or more, as a whole number of bytes"),
        ({"prior": True}, "prior True: give a number between 0 and 1"),
        ({"evidence": 5}, "evidence 5: give names in order"),
        ({"bands": ("red", 5)}, "bands ('red', 5): give names in order"),
        ({"image_shape": 5}, "image_shape 5: give height, width and bands"),
        ({"patch_shape": (64, 64)}, "patch_shape (64, 64): give height, width and bands"),
        ({"model": 5}, "model 5: give the path of a file or folder"),
        ({"dtype": np.float32}, "dtype <class 'numpy.float32'>: give the name of a type"),
    ],
)
def test_what_cannot_be_is_refused_by_name(options, message):
    with pytest.raises(SettingsError) as error:
        Settings(**options)
    assert message in str(error.value)
    with pytest.raises(SettingsError):
        with_options(Settings(), options)


@pytest.mark.parametrize(
    "reader",
    [
        CutOptions,
        FitOptions,
        SeriesOptions,
        lambda **options: matcher.features(np.ones((2, 64, 64, 4)), **options),
    ],
)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"value_range": "auto"}, "value_range 'auto': choose from dn, signed, reflectance, 8bit, 16bit"),
        ({"series_dates": 0}, "series_dates 0: give a whole number of 1 or more"),
        ({"series_bands": 1.5}, "series_bands 1.5: give a whole number of 1 or more"),
    ],
)
def test_whatever_reads_series_refuses_the_same(reader, options, message):
    with pytest.raises(SettingsError, match=re.escape(message)):
        reader(**options)


def test_unknown_options_are_named():
    with pytest.raises(MatcherError, match=r"unknown option pace: choose from bands, value_range"):
        with_options(Settings(), {"pace": 3})


@pytest.mark.parametrize(
    "evidence", ["phase2,ratio , ratio-signed,phase", ["phase2", "ratio-signed", "ratio", "phase"]]
)
def test_names_as_one_string_or_a_list_in_any_order(evidence):
    assert Settings(evidence=evidence) == Settings()
    assert Settings(bands="red, nir").bands == Settings(bands=["red", "nir"]).bands == ("red", "nir")


def test_names_of_a_mapping_are_in_order_and_those_of_a_set_in_none():
    assert (
        Settings(evidence=EVIDENCE).evidence == Settings(evidence=EVIDENCE.keys()).evidence == tuple(EVIDENCE)
    )
    with pytest.raises(SettingsError, match=r"evidence .*: give names in order"):
        Settings(evidence=set(EVIDENCE))


@given(st.permutations(list(EVIDENCE)), st.integers(1, len(EVIDENCE)))
def test_the_order_of_evidence_makes_no_difference(order, count):
    chosen = Settings(evidence=tuple(order[:count])).evidence
    assert set(chosen) == set(order[:count])
    assert list(chosen) == sorted(chosen, key=list(EVIDENCE).index)


@given(
    st.floats(0.1, 100),
    st.one_of(st.none(), st.integers(1, 1000)),
    st.integers(256 << 20, 1 << 45),
)
def test_what_can_be_is_kept(effort, threads, memory):
    settings = Settings(effort=effort, threads=threads, memory=memory)
    assert (settings.effort, settings.threads, settings.memory) == (effort, threads, memory)


def test_numpys_numbers_are_kept_as_plain_ones():
    """What is written as JSON, as settings of a run are, has to be plain."""
    settings = Settings(
        threads=np.int64(2), memory=np.int64(1 << 30), effort=np.float32(2), image_shape=[np.int8(9)] * 3
    )
    kept = (settings.threads, settings.memory, settings.effort, *settings.image_shape)
    assert kept == (2, 1 << 30, 2.0, 9, 9, 9)
    assert {type(value) for value in kept} == {int, float}


class TestBandNames:
    @pytest.mark.parametrize("count", BANDS_BY_COUNT)
    def test_by_count(self, count):
        names = Settings().band_names(count)
        assert len(names) == count
        assert len(set(names)) == count

    def test_of_the_challenge(self):
        assert Settings().band_names(4) == ("red", "green", "blue", "nir")
        assert Settings().band_names(3) == ("red", "green", "blue")

    def test_given(self):
        assert Settings(bands=("nir", "a", "b", "c", "d")).band_names(5) == ("nir", "a", "b", "c", "d")

    def test_another_number(self):
        with pytest.raises(SettingsError, match=r"4 bands, and 2 are named \(red, nir\).*--bands red,green"):
            Settings(bands=("red", "nir")).band_names(4)

    def test_no_default(self):
        with pytest.raises(SettingsError, match=r"13 bands: name them in order with --bands"):
            Settings().band_names(13)
