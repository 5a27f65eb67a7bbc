"""Slow, readable twins in float64 loops: what the package's quick code is held to."""

import cmath
import math

import numpy as np

from matcher.evidence.channel import FULL


def naive_scores(submission, answers):
    """Means of the seven metrics over the answers: {id: (image, x, y)} twice, to a dict."""
    sums = dict.fromkeys(("total", "image", "slides", "within_0", "within_1", "within_2", "within_4"), 0.0)
    for patch, (image, x, y) in answers.items():
        if patch not in submission or submission[patch][0] != image:
            continue
        d = ((submission[patch][1] - x) ** 2 + (submission[patch][2] - y) ** 2) ** 0.5
        sums["total"] += 0.5 + 0.5 * max(0.0, 1.0 - d / (64 * 2**0.5))
        sums["image"] += 1.0
        sums["slides"] += 0.5 + (0.5 if d <= 0 else 0.0)
        for px in (0, 1, 2, 4):
            sums[f"within_{px}"] += 1.0 if d <= px else 0.0
    return {name: value / len(answers) for name, value in sums.items()}


def naive_image_bootstrap(submission, answers, draws):
    """Metrics of every resample: `draws` holds rows of indices into the answers' sorted images."""
    images = sorted({image for image, _, _ in answers.values()})
    means = []
    for row in draws:
        drawn_submission, drawn_answers = {}, {}
        for copy, index in enumerate(row):
            for patch, place in answers.items():
                if place[0] == images[index]:
                    drawn_answers[(copy, patch)] = place
                    if patch in submission:
                        drawn_submission[(copy, patch)] = submission[patch]
        means.append(naive_scores(drawn_submission, drawn_answers))
    return means


def naive_percentile(values, share):
    """The quantile of sorted values, linear between neighbours."""
    values = sorted(values)
    place = share * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (place - below) * (values[above] - values[below])


def naive_mcnemar(only_first, only_second):
    """Exact and mid-p two-sided values: the probability of every split no more likely than the one seen."""
    n = only_first + only_second
    if n == 0:
        return 1.0, 1.0
    ways = [1]
    for k in range(1, n + 1):
        ways.append(ways[-1] * (n - k + 1) // k)
    seen = ways[only_first]
    exact = sum(w for w in ways if w <= seen) / 2**n
    mid = sum(w if w < seen else w / 2 for w in ways if w <= seen) / 2**n
    return exact, mid


# Evidence. Pictures are dn[y][x][band]; fields come as (fields, height, width).


def naive_unit_gradient(dn, flat=1e-3):
    """Unit vectors of central differences, row components of all bands first; 0 at the border and where flat."""
    height, width, bands = dn.shape
    out = np.zeros((2 * bands, height, width))
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            for b in range(bands):
                gy = float(dn[y + 1, x, b]) - float(dn[y - 1, x, b])
                gx = float(dn[y, x + 1, b]) - float(dn[y, x - 1, b])
                size = math.hypot(gy, gx)
                if size > flat:
                    out[b, y, x], out[bands + b, y, x] = gy / size, gx / size
    return out


def naive_gaussian_gradient(dn, sigma, reach, turned=False):
    """Gradient by the derivative of a Gaussian cut at `reach` px: (bands, 2, H, W) as (y, x).

    Beyond the border the last pixel is repeated or, `turned`, the picture turned about it.
    """
    bell = {k: math.exp(-0.5 * (k / sigma) ** 2) for k in range(-reach, reach + 1)}
    smooth = {k: value / sum(bell.values()) for k, value in bell.items()}
    slope = {k: value * k / sigma**2 for k, value in smooth.items()}
    return _naive_gradient(dn, smooth, slope, _turned if turned else _repeated)


def naive_differences(dn):
    """Central differences, (bands, 2, H, W) as (y, x); beyond the border the picture is turned about its last pixel."""
    return _naive_gradient(dn, {0: 1.0}, {-1: -1.0, 1: 1.0}, _turned)


def _naive_gradient(dn, smooth, slope, beyond):
    height, width, bands = dn.shape

    def row(y, x, b):
        return beyond(lambda k: float(dn[y, k, b]), x, width)

    out = np.zeros((bands, 2, height, width))
    for b in range(bands):
        for y in range(height):
            for x in range(width):
                for j in set(smooth) | set(slope):
                    for k in set(smooth) | set(slope):
                        v = beyond(lambda at, x=x, k=k, b=b: row(at, x + k, b), y + j, height)
                        out[b, 0, y, x] += v * slope.get(j, 0) * smooth.get(k, 0)
                        out[b, 1, y, x] += v * smooth.get(j, 0) * slope.get(k, 0)
    return out


def _repeated(value, at, length):
    """The value at a place that may lie before 0 or after the last one: there the last one's."""
    return value(min(max(at, 0), length - 1))


def _turned(value, at, length):
    """As `_repeated`, but beyond the ends as much above the last value as it lies below inside."""
    if at < 0:
        return 2 * value(0) - value(min(-at, length - 1))
    if at >= length:
        return 2 * value(length - 1) - value(max(2 * (length - 1) - at, 0))
    return value(at)


def naive_doubled_gradient(dn, sigma, reach, flat=1e-3):
    """Sine and cosine of twice the gradient's angle, sines of all bands first; 0 where flat."""
    gradient = naive_gaussian_gradient(dn, sigma, reach)
    bands, _, height, width = gradient.shape
    out = np.zeros((2 * bands, height, width))
    for b in range(bands):
        for y in range(height):
            for x in range(width):
                gy, gx = gradient[b, :, y, x]
                if math.hypot(gy, gx) > flat:
                    angle = 2 * math.atan2(gy, gx)
                    out[b, y, x], out[bands + b, y, x] = math.sin(angle), math.cos(angle)
    return out


def naive_prominent(gradient, seen, half, share, doubled, flat=1e-3):
    """Gradients (bands, 2, H, W) over their size and `share` of those about them; row components of all bands first.

    Those about them: the square of the mean of the roots of sizes, over what is seen of 2 half + 1 px a side. With
    `doubled` the angle is doubled, sines first.
    """
    bands, _, height, width = gradient.shape
    out = np.zeros((2 * bands, height, width))
    for b in range(bands):
        size = np.hypot(gradient[b, 0], gradient[b, 1])
        for y in range(height):
            for x in range(width):
                if not seen[y, x] or size[y, x] <= flat:
                    continue
                near = [
                    math.sqrt(size[j, k])
                    for j in range(max(y - half, 0), min(y + half, height - 1) + 1)
                    for k in range(max(x - half, 0), min(x + half, width - 1) + 1)
                    if seen[j, k]
                ]
                length = size[y, x] / (size[y, x] + share * (sum(near) / len(near)) ** 2)
                angle = math.atan2(*gradient[b, :, y, x]) * (2 if doubled else 1)
                out[b, y, x], out[bands + b, y, x] = length * math.sin(angle), length * math.cos(angle)
    return out


def naive_ratio(dn, roles, haze=50.0):
    """Logs of ratios, (H, W, ratios): each visible band over the one before, near infrared over the first."""
    height, width, _ = dn.shape
    pairs = [(roles.visible[k], roles.visible[k - 1]) for k in range(1, len(roles.visible))]
    if roles.nir is not None:
        pairs.append((roles.nir, roles.visible[0]))
    logs = np.zeros((height, width, len(pairs)))
    for y in range(height):
        for x in range(width):
            for k, (above, below) in enumerate(pairs):
                over, under = max(float(dn[y, x, above]), 0.0), max(float(dn[y, x, below]), 0.0)
                logs[y, x, k] = math.log((over + haze) / (under + haze))
    return logs


def naive_log_magnitude(dn, floor, half):
    """Log of half the central difference's size plus `floor`, less its mean over 2 half + 1 px, borders repeated."""
    height, width, bands = dn.shape
    out = np.zeros((bands, height, width))
    for b in range(bands):
        level = np.full((height, width), math.log(floor))
        for y in range(1, height - 1):
            for x in range(1, width - 1):
                gy = (float(dn[y + 1, x, b]) - float(dn[y - 1, x, b])) / 2
                gx = (float(dn[y, x + 1, b]) - float(dn[y, x - 1, b])) / 2
                level[y, x] = math.log(math.hypot(gy, gx) + floor)
        for y in range(height):
            for x in range(width):
                total = 0.0
                for j in range(-half, half + 1):
                    for k in range(-half, half + 1):
                        total += level[min(max(y + j, 0), height - 1), min(max(x + k, 0), width - 1)]
                out[b, y, x] = level[y, x] - total / (2 * half + 1) ** 2
    return out


# The exact engine.


def naive_filtered(field, response):
    """A field (h, w) with nothing beyond its border, its spectrum times a response at 0, 1/16, 2/16 … cycles a pixel.

    Sums of the discrete Fourier transform of 2h x 2w pixels, forth and back; the response is linear between its
    values and goes on as its last.
    """
    height, width = field.shape
    rows, columns = 2 * height, 2 * width
    down = np.array([[cmath.exp(-2j * math.pi * k * y / rows) for y in range(height)] for k in range(rows)])
    across = np.array(
        [[cmath.exp(-2j * math.pi * m * x / columns) for x in range(width)] for m in range(columns)]
    )
    spectrum = down @ field @ across.T
    for k in range(rows):
        for m in range(columns):
            step = 16 * math.hypot(min(k, rows - k) / rows, min(m, columns - m) / columns)
            below = min(int(step), len(response) - 1)
            above = min(below + 1, len(response) - 1)
            share = step - int(step)
            spectrum[k, m] *= (1 - share) * response[below] + share * response[above]
    return (down.conj().T @ spectrum @ across.conj()).real / (rows * columns)


def _plain(stack, centred):
    """Fields in float64, less their own means where they are centred."""
    fields = [field.astype(np.float64) for field in stack]
    return [field - field.sum() / field.size for field in fields] if centred else fields


def _power(fields):
    return sum(float((field * field).sum()) for field in fields)


def _least(stack, centred):
    """The energy below which a stack is flat."""
    return (1e-6 if centred else 3e-4) * np.size(stack)


def naive_template(patch, centred, response=()):
    """A stack of fields as it is correlated, with energy 1; None where it is flat before it is filtered."""
    fields = _plain(patch, centred)
    if _power(fields) <= _least(patch, centred):
        return None
    if response:
        fields = [naive_filtered(field, response) for field in fields]
    size = math.sqrt(_power(fields))
    return [field / size for field in fields]


def naive_correlation(template, window, centred, energy=0.0):
    """Correlation of a template with a stack of fields, whose energy counts once beside FULL times a full one's.

    `energy` is a pixel's in a full window; 0: the window's own alone counts. 0 where either is flat; not cut.
    """
    fields = _plain(window, centred)
    power = _power(fields)
    if template is None or power <= _least(window, centred):
        return 0.0
    if energy:
        power = (power + FULL * energy * fields[0].size) / (1 + FULL)
    return sum(float((a * b).sum()) for a, b in zip(template, fields, strict=True)) / math.sqrt(power)


def naive_score_map(patch, target, places=None):
    """Map of one channel: the mean correlation over its stacks at every place (or those given), nan elsewhere."""
    height, width = patch.shape
    rows, columns = target.shape[0] - height + 1, target.shape[1] - width + 1
    out = np.full((rows, columns), np.nan)
    templates = [naive_template(stack, patch.centred, patch.response) for stack in patch.stacks]
    for y, x in places if places is not None else np.ndindex(rows, columns):
        total = 0.0
        for own, other in zip(templates, target.stacks, strict=True):
            window = other[:, y : y + height, x : x + width]
            total += naive_correlation(own, window, target.centred, target.energy)
        out[y, x] = min(max(total / len(templates), -1.0), 1.0)
    return out


def naive_live(target, side, places=None):
    """How full every window of a channel is (or those given, nan elsewhere): its energy over a full one's, or 1."""
    height, width = side
    rows, columns = target.shape[0] - height + 1, target.shape[1] - width + 1
    out = np.full((rows, columns), np.nan)
    for y, x in places if places is not None else np.ndindex(rows, columns):
        windows = [stack[:, y : y + height, x : x + width] for stack in target.stacks]
        power = sum(_power(_plain(window, target.centred)) for window in windows) / len(windows)
        out[y, x] = power / (target.energy * height * width) if target.energy else 1.0
    return out


def naive_combined(maps, live, weights, prior, prior_count):
    """Sum over channels of weighted squares of positive z-scores: maps, live (C, H, W) to (H, W).

    A place counts in its map's noise by how live it is.
    """
    total = np.zeros(maps.shape[1:])
    for score, alive, weight, variance in zip(maps.astype(np.float64), live, weights, prior, strict=True):
        count, first, second = float(prior_count), 0.0, prior_count * variance
        # as many values of mean 0 and the prior variance are seen beside the map's own
        for y in range(score.shape[0]):
            for x in range(score.shape[1]):
                count += float(alive[y, x])
                first += float(alive[y, x]) * score[y, x]
                second += float(alive[y, x]) * score[y, x] ** 2
        mean = first / count
        spread = second / count - mean**2
        for y in range(score.shape[0]):
            for x in range(score.shape[1]):
                z = (score[y, x] - mean) / math.sqrt(max(spread, 1e-12))
                total[y, x] += weight * max(z, 0.0) ** 2
    return total


def naive_two_best(total, apart):
    """[(score, y, x), (score, y, x)]: the best place and the best beyond `apart` px of it in y or x, else None."""
    best = second = None
    for y in range(total.shape[0]):
        for x in range(total.shape[1]):
            if best is None or total[y, x] > best[0]:
                best = (total[y, x], y, x)
    for y in range(total.shape[0]):
        for x in range(total.shape[1]):
            far = abs(y - best[1]) > apart or abs(x - best[2]) > apart
            if far and (second is None or total[y, x] > second[0]):
                second = (total[y, x], y, x)
    return [best, second]


# One-bit codes. Bits are lists or arrays of 0 and 1.


def naive_pack(bits):
    """Bits, the lowest first, to words of 64 (the last filled with 0)."""
    words = []
    for start in range(0, len(bits), 64):
        word = 0
        for k, bit in enumerate(bits[start : start + 64]):
            word |= int(bit) << k
        words.append(word)
    return words


def naive_distance(first, second):
    """Differing bits of two sequences of words."""
    return sum(bin(int(a) ^ int(b)).count("1") for a, b in zip(first, second, strict=True))


def naive_agreement(patch, window):
    """Equal bits of two arrays of bits."""
    return sum(int(a == b) for a, b in zip(patch.ravel().tolist(), window.ravel().tolist(), strict=True))


def naive_least(values, count):
    """Indices of the `count` least values, equal ones by index."""
    return sorted(range(len(values)), key=lambda k: (values[k], k))[:count]


def naive_pooled(field, cell, y, x):
    """Sum of the cell x cell pixels from (y, x)."""
    total = 0.0
    for j in range(cell):
        for k in range(cell):
            total += float(field[y + j, x + k])
    return total


def naive_lag_products(own, other, block):
    """Sums over fields and blocks of products at nine lags, in float64 loops."""
    fields, height, width = own.shape
    out = np.zeros((-(-height // block), -(-width // block), 3, 3))
    for f in range(fields):
        for y in range(height):
            for x in range(width):
                for i in range(3):
                    for j in range(3):
                        out[y // block, x // block, i, j] += float(own[f, y, x]) * float(
                            other[f, y + i, x + j]
                        )
    return out


def naive_lattices(codes):
    """Codes (words, rows, columns) as they lie in memory: one after another of even and odd rows and columns, flat.

    Of even rows and even columns word by word, of the others place by place.
    """
    parts = [codes[:, y::2, x::2] for y in (0, 1) for x in (0, 1)]
    return np.concatenate([parts[0].ravel(), *(np.moveaxis(part, 0, -1).ravel() for part in parts[1:])])


def naive_of_lattices(flat, rows, columns):
    """What `naive_lattices` was given, of so many rows and columns."""
    numbers = naive_lattices(np.arange(flat.size).reshape(-1, rows, columns))
    out = np.empty(flat.size, flat.dtype)
    out[numbers] = flat
    return out.reshape(-1, rows, columns)
