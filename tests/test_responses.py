"""How tools/fit_responses.py tells a spectrum, on fields whose spectrum is known."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from matcher.evidence.responses import RESPONSES

TOOL = Path(__file__).parents[1] / "tools" / "fit_responses.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("fit_responses", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fields_of(amplitude, side, count=40):
    """Fields (count, side, side) of random phase whose amplitude at a frequency, cycles a pixel, is as given."""
    white = np.fft.fft2(np.random.default_rng(0).normal(size=(count, side, side)))
    frequency = np.hypot(np.fft.fftfreq(side)[:, np.newaxis], np.fft.fftfreq(side))
    return np.fft.ifft2(white * amplitude(frequency)).real


def test_white_noise_is_flat(tool):
    found = tool.spectrum(fields_of(np.ones_like, tool.SIDE))
    assert len(found) == len(RESPONSES["phase"])
    assert found / found.mean() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_fields_that_fade_with_frequency(tool, power):
    """Amplitude 1 / f: energy 1 / f^2, so that the template's response, one over the root, grows as f."""
    found = tool.spectrum(fields_of(lambda f: 1 / np.maximum(f, 1 / 200) ** power, tool.SIDE))
    rings = np.arange(2, 12)  # below, a ring is as wide as its own frequency
    assert found[2:] / found[8] == pytest.approx((rings / 8.0) ** (-2 * power), rel=0.15)


@pytest.mark.parametrize("ring", [0, 3, 7])
def test_a_wave_lies_in_its_ring(tool, ring):
    wave = np.cos(2 * np.pi * np.arange(tool.SIDE) * ring / tool.STEPS) * np.ones((1, tool.SIDE, 1))
    found = tool.spectrum(wave)
    assert found.argmax() == ring
    assert np.delete(found, ring).max() < 1e-3 * found[ring]


def test_the_table_has_what_the_tool_prints_of_every_kind():
    for response in RESPONSES.values():
        assert max(response) == 1
        assert min(response) > 0
