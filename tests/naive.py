"""Slow, readable twins in float64 loops: what the package's quick code is held to."""


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
