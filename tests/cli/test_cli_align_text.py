"""The figures of aligned scenes as lines."""

from matcher.cli.align_text import table


def figures(name, kind, used, before, metres):
    parts = {
        "rmse": {"px": (before, 0, 1), "m": (metres, 0, 1)},
        "ce90": {"px": (None, 0, 1), "m": (None, 0, 1)},
    }
    return {
        "moving": f"a/{name}", "transform": kind, "tie_points": {"used": used, "sought": 9}, "before": parts,
        "after": parts,
    }  # fmt: skip


def test_columns_and_those_that_failed_below():
    done = [
        figures("b.tif", "shift", 9, 12.5, 125.0),
        {"moving": "a/c.tif", "error": "no common ground"},
        figures("longer.tif", "affine", 8, 0.25, None),
    ]
    assert table(done).splitlines() == [
        "scene       transform  tie points          RMSE before           RMSE after  CE90 after",
        "b.tif       shift          9 of 9  12.50 px (125.00 m)  12.50 px (125.00 m)",
        "longer.tif  affine         8 of 9              0.25 px              0.25 px",
        "c.tif: not aligned: no common ground",
    ]
    assert table(done[1:2]) == "c.tif: not aligned: no common ground"
