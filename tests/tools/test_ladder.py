"""The ladder of docs/accuracy.md: rounds, answers that are kept, tables between marks."""

import argparse
import importlib
import re
from pathlib import Path

import numpy as np
import pytest

import matcher
from matcher.placements import Placements
from matcher.settings import DEFAULT_EVIDENCE, EVIDENCE
from tests.search.test_pyramid import noisy, smooth

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "accuracy.md"
SIDE = 40
TOOL = "ladder"


@pytest.fixture
def round_(tool, tmp_path):
    """Six patches in three of four images; the truth of the last is told wrong."""
    pictures = [smooth(90, 96, seed).astype(np.float32) for seed in range(4)]
    np.savez(tmp_path / "images.npz", **{str(k): picture for k, picture in enumerate(pictures)})
    image, x, y = np.array([[0, 3, 40], [0, 50, 9], [1, 22, 22], [1, 7, 1], [2, 33, 48], [2, 1, 2]]).T
    patches = [noisy(pictures[i], 9)[b : b + SIDE, a : a + SIDE] for i, a, b in zip(image, x, y, strict=True)]
    about = [{"group": tool.GROUPS[i], "place": f"place {i}"} for i in image]
    truth = Placements(np.arange(6), image, x + 20 * (np.arange(6) == 5), y)
    return tool.Round(
        tmp_path, 0, 1, tmp_path / "images.npz", np.stack(patches).astype(np.float32), truth, about
    )


def test_rungs_name_every_kind_and_end_at_the_default(tool):
    rungs = tool.rungs()
    assert {r.evidence[0] for r in rungs if len(r.evidence) == 1} == set(EVIDENCE) == set(tool.TITLES)
    assert rungs[-1].evidence == rungs[-2].evidence == DEFAULT_EVIDENCE
    assert [r.search for r in rungs[-2:]] == ["exhaustive", "pyramid"]


def test_answers_are_made_once(tool, round_):
    made = []

    def make():
        made.append(1)
        return tool.Answer(
            *np.zeros((3, 6), np.int64), np.zeros(6, np.float32), np.array(["flat"] * 6), 1.5, 24
        )

    one, two = (tool.kept(round_, "some", make) for _ in range(2))
    assert len(made) == 1
    assert (one.seconds, one.pairs) == (two.seconds, two.pairs) == (1.5, 24)
    assert two.reason.tolist() == ["flat"] * 6


def test_default_and_opencv_on_a_round(tool, round_):
    plain = tool.DEFAULT.answer(round_)
    assert plain.pairs == 24
    assert tool.wrong_rows(round_, plain) == [5]
    cv = tool.rungs()[0].answer(round_)
    assert cv.image.tolist() == round_.truth.image.tolist()
    assert tool.wrong_rows(round_, cv) == [5]


@pytest.mark.parametrize(
    ("name", "least"),
    [("opencv-gray", 6), ("opencv-sobel", 6), ("phase-only", 5), ("rootsift", 4), ("skimage-gray", 6)],
)
def test_peers_find_their_patches(tool, round_, name, least):
    answer = tool.peered(round_, name)
    apart = np.hypot(answer.x - round_.truth.x + 20 * (np.arange(6) == 5), answer.y - round_.truth.y)
    assert ((answer.image == round_.truth.image) & (apart <= 2)).sum() >= least
    assert answer.seconds > 0
    assert answer.pairs == 24


@pytest.mark.slow
def test_the_learned_peer_finds_its_patches(tool, round_):
    if absent := tool.PEERS["aliked"].missing:
        pytest.skip(f"needs the extra peers: {', '.join(absent)}")
    answer = tool.peered(round_, "aliked")
    apart = np.hypot(answer.x - round_.truth.x + 20 * (np.arange(6) == 5), answer.y - round_.truth.y)
    assert ((answer.image == round_.truth.image) & (apart <= 2)).sum() >= 4


@pytest.mark.usefixtures("tool")
def test_dense_maps_are_correlated_by_the_mean_cosine():
    """Against the sum of products at every place, in loops."""
    learned = importlib.import_module("ladder_learned")
    rng = np.random.default_rng(0)
    image = rng.normal(size=(5, 9, 11)).astype(np.float32)
    patch = (image[:, 4:8, 3:9] + 0.1 * rng.normal(size=(5, 4, 6))).astype(np.float32)
    plain = [
        (float((image[:, y : y + 4, x : x + 6] * patch).sum()), y, x) for y in range(6) for x in range(6)
    ]
    best, y, x = max(plain)
    found = learned.correlate(learned.Dense(patch), learned.Dense(image))
    assert found[0] == pytest.approx(best, rel=1e-5)
    assert found[1:] == (y * learned.STEP, x * learned.STEP) == (4 * learned.STEP, 3 * learned.STEP)


def test_peers_that_are_not_installed_are_named(tool, monkeypatch, tmp_path):
    peer = importlib.import_module("ladder_peers").Peer("none", None, None, ("no-such-package",))
    assert peer.missing == ["no-such-package"]
    monkeypatch.setitem(tool.PEERS, "none", peer)
    monkeypatch.setattr(tool, "read_rounds", lambda *_: [])
    with pytest.raises(SystemExit, match="install no-such-package"):
        tool.peers(argparse.Namespace(work=tmp_path, seed=0, every=1))


@pytest.mark.usefixtures("tool")
def test_a_vote_needs_agreement():
    """Two matches of four agree in their shift; descriptors with a double are passed over."""
    own = np.eye(8, dtype=np.float32)[:5]
    places = np.array([[0, 0], [5, 0], [0, 5], [9, 9], [3, 3]], np.float32)
    spots = np.concatenate([places + [20, 10], [[50, 50]]]).astype(np.float32)
    spots[2:4] += [[30, 0], [0, 40]]
    of = np.concatenate([own, own[4:]])
    peers = importlib.import_module("ladder_peers")
    assert peers.vote((places, own), (spots, of)) == (2.0, 10, 20)
    assert peers.vote((places[:0], own[:0]), (spots, of)) == peers.NONE


def test_hidden_among_fewer_images(tool, round_):
    """Two of the four images at a time, each patch with its own: 12 pairs, and the same answers."""
    plain, among = tool.DEFAULT.answer(round_), tool.hidden(round_, 2)
    assert among.pairs == 12
    for name in ("image", "x", "y"):
        np.testing.assert_array_equal(getattr(among, name), getattr(plain, name))


def test_rounds_are_pooled_by_image(tool, round_):
    answer = tool.DEFAULT.answer(round_)
    again = tool.Round(round_.folder, 1, 1, round_.images, round_.patches[:4], round_.truth, round_.about)
    both = tool.pooled([round_, again], [answer, answer])
    alone = matcher.score(Placements(round_.truth.ids, answer.image, answer.x, answer.y), round_.truth)
    assert both.n_patches == 12
    assert both.n_images == alone.n_images == 3
    assert both.total == pytest.approx(alone.total)
    assert both.groups[tool.GROUPS[2]].within[4] == 0.5


def test_put_replaces_its_own_part_only(tool, tmp_path):
    path = tmp_path / "some.md"
    path.write_text(
        "a\n<!-- one: written by tools/ladder.py -->\nold\n<!-- end of one -->\nb\n"
        "<!-- two: written by tools/ladder.py -->\nkept\n<!-- end of two -->\n"
    )
    tool.put(path, "one", list(tool.table(["x", "y"], [("p", ["q"])])))
    text = path.read_text()
    assert "| x | y |\n|---|---|\n| p | q |\n<!-- end of one -->\nb\n" in text
    assert "old" not in text
    assert "kept" in text


def test_documents_have_every_part_and_picture(tool):
    text = DOCUMENT.read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    held = {**{part: [text] for part in tool.PARTS}, "rounds": [text, readme], "peers": [text, readme]}
    for part, pages in held.items():
        for page in pages:
            assert re.search(
                rf"<!-- {part}: written by tools/ladder.py -->\n.+<!-- end of {part} -->", page, re.S
            )
    pictures = re.findall(r"!\[[^\]]+\]\((.+?)\)", text)
    assert len(pictures) == 5
    for name in pictures:
        assert 0 < (DOCUMENT.parent / name).stat().st_size < 60_000
    # In a published README links are whole addresses.
    assert "docs/accuracy.md)" in readme
