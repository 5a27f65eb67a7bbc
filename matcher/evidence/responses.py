"""How the template of each kind of evidence is whitened: numbers fitted to real places by tools/fit_responses.py.

One over the root of the mean spectrum of the kind's fields, at 0, 1/16, 2/16 … 11/16 cycles a pixel, as
`matcher.evidence.channel.Channel.response` takes it.
"""

RESPONSES: dict[str, tuple[float, ...]] = {
    "phase": (0.17, 0.20, 0.23, 0.27, 0.33, 0.42, 0.54, 0.66, 0.75, 0.82, 0.94, 1.00),
    "phase2": (0.14, 0.26, 0.36, 0.43, 0.49, 0.58, 0.67, 0.75, 0.82, 0.92, 0.98, 1.00),
    "ratio": (0.11, 0.19, 0.25, 0.32, 0.39, 0.50, 0.62, 0.73, 0.80, 0.91, 0.97, 1.00),
    "magnitude": (0.41, 0.19, 0.28, 0.45, 0.58, 0.74, 0.84, 0.93, 0.97, 0.97, 1.00, 0.98),
}
