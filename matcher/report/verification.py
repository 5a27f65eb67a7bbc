"""The picture of a verification: ROC and precision-recall curves by method. Needs the extra ``plot``."""

import os

from matcher.report.figures import COLOURS, new_figure, plain, save_figure
from matcher.verification.curves import Curves


def draw_curves(methods: dict[str, dict[str, Curves]], path: str | os.PathLike[str]) -> None:
    """Draw the curves of an account (`matcher.verification.verifying.account`), a row a part, to a file.

    Raises
    ------
    MatcherError
        If matplotlib is not installed, the ending is not .png, .svg or .pdf, or the file cannot be written.
    """
    parts = list(next(iter(methods.values())))
    figure = new_figure(path, 9, 3.6 * len(parts))
    axes = figure.subplots(len(parts), 2, squeeze=False)
    for (left, right), part in zip(axes, parts, strict=True):
        for colour, (method, by_part) in zip(COLOURS, methods.items(), strict=False):
            c = by_part[part]
            left.plot(*c.roc.T, color=colour, label=f"{plain(method)}, AUC {c.auc:.3f}")
            right.plot(
                *c.precision_recall.T, color=colour, label=f"{plain(method)}, AP {c.average_precision:.3f}"
            )
        left.set(
            title=f"{plain(part)}: ROC",
            xlabel="false alarms",
            ylabel="same pairs found",
            xlim=(0, 1),
            ylim=(0, 1.02),
        )
        right.set(
            title=f"{plain(part)}: precision and recall", xlabel="recall", ylabel="precision", ylim=(0, 1.02)
        )
        for axis in (left, right):
            axis.legend(loc="lower right" if axis is left else "lower left", fontsize=8)
    save_figure(figure, path, 110)
