"""Which band of a raster is which: names from descriptions, colour interpretation or file names, and the choice."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from matcher.errors import FormatError, SettingsError
from matcher.settings import BANDS_BY_COUNT

ORDER = ("red", "green", "blue", "nir")
_ALIASES = {
    "red": ("red", "r", "b4", "b04"),
    "green": ("green", "g", "b3", "b03"),
    "blue": ("blue", "b", "b2", "b02"),
    "nir": ("nir", "n", "b8", "b08", "nir1", "near", "nearinfrared", "near-infrared", "near_infrared"),
    "gray": ("gray", "grey", "pan", "panchromatic"),
}
_BY_ALIAS = {alias: name for name, aliases in _ALIASES.items() for alias in aliases}
_NEAR_INFRARED = re.compile(r"\bnear[\s_-]*infra[\s_-]*red\b|\bnir1?\b")
_OTHERS = re.compile(
    r"edge|swir|thermal|infra|coastal|short|\bnir\s*[2-9]|\bnear\s+red\b"
)  # no visible band is
_COLOURS = re.compile(r"\b(red|green|blue)\b")

# Band tokens of file names by the files' own families: the names of products say which numbers they use.
_TOKEN = re.compile(r"(?i)(?:^|(?<=[_.\-]))(b\d{1,2}a?|red(?![_.\- ]?edge)|green|blue|nir)(?=[_.\-]|$)")
_OLI = {"2": "blue", "3": "green", "4": "red", "5": "nir"}
_TM = {"1": "blue", "2": "green", "3": "red", "4": "nir"}
_MSS = {"4": "green", "5": "red", "6": "nir"}
_MSS_LATER = {"1": "green", "2": "red", "3": "nir"}
_MSI = {"2": "blue", "3": "green", "4": "red", "8": "nir", "8a": "nir"}
_FAMILIES = (
    (re.compile(r"(?i)(?:^|[_.\-])(?:L[COT]0?[89][_.\d]|HLS[._\-]?L30)"), _OLI),
    (re.compile(r"(?i)(?:^|[_.\-])L[TE]0?[4-7][_.\d]"), _TM),
    (re.compile(r"(?i)(?:^|[_.\-])LM0?[1-3][_.\d]"), _MSS),
    (re.compile(r"(?i)(?:^|[_.\-])LM0?[45][_.\d]"), _MSS_LATER),
)
_EXTRA = re.compile(
    r"(?i)(?:^|[_.\- ])(thumb(nail)?s?|preview|quick-?look|ql|browse|overview|pvi|tci|qa|qa60|bqa|scl|fmask|udm2?|"
    r"cloud_?mask|(msk_)?cldprb|(msk_)?snwprb|aot|wvp|saa|sza|vaa|vza|qa_pixel|qa_radsat|qa_aerosol|\w+_qa)"
    r"(?:[_.\- ]?\d+m?)?$"
)


@dataclass(frozen=True)
class Choice:
    """Bands of one file: 1-based indices, their names (None where nothing says), and the alpha band if any.

    `against` are the file's own names of these bands where other ones were asked for. `assumed` says that the file
    names red, green and blue alone, and the one band more is taken for near infrared.
    """

    indices: tuple[int, ...]
    names: tuple[str | None, ...]
    alpha: int | None
    against: tuple[str | None, ...] = ()
    assumed: bool = False


def name_of(description: str | None, interpretation: str | None = None) -> str | None:
    """A band's name in this package's words (red, green, blue, nir, gray), or None where nothing says.

    `description` is free text such as ``"B4, central wavelength 665 nm"``; `interpretation` is GDAL's colour
    interpretation. The description goes first: a band that it says to be another one, such as ``Red edge`` or ``B5``,
    is called so, whatever the interpretation.
    """
    text = description.strip().lower() if description else ""
    first = re.split(r"[\s,;:(/]+", text)[0]
    if re.fullmatch(r"b\d+a?", first):
        return _BY_ALIAS.get(first, first)
    if _NEAR_INFRARED.search(text):
        return "nir"
    if _OTHERS.search(text):
        return re.sub(r"[\s_\-]+", " ", text)
    if first in _BY_ALIAS:
        return _BY_ALIAS[first]
    colours = set(_COLOURS.findall(text))
    if len(colours) == 1:
        return str(colours.pop())
    return interpretation if interpretation in _ALIASES else None


def split_band(stem: str) -> tuple[str, str | None]:
    """A file's stem without its band token, and the band: ``T31_B04_10m`` gives ``T31_*_10m`` and red.

    Numbers are those of the family that the name is of (Landsat, Harmonized Landsat and Sentinel-2), and Sentinel-2's
    in all other names. A band that is none of red, green, blue and near infrared is told as its number.
    """
    found = list(_TOKEN.finditer(stem))
    if not found:
        return stem, None
    token = found[-1]
    word = token.group().lower()
    if word in ORDER:
        name = word
    else:
        numbers = next((numbers for family, numbers in _FAMILIES if family.search(stem)), _MSI)
        name = numbers.get(word[1:].lstrip("0"), word)
    return f"{stem[: token.start()]}*{stem[token.end() :]}", name


def by_landsat(stem: str, descriptions: Sequence[str | None]) -> list[str | None]:
    """Descriptions with those of Landsat's surface reflectance (``SR_B4``) as names of bands.

    The sensor is told by the file's name, or else by which bands there are: Landsat 8 and 9 have a sixth band, earlier
    ones have none; four bands are those of the visible and near infrared. Where neither tells, they stay.
    """
    numbers = [re.fullmatch(r"(?i)SR_B(\d)", (text or "").strip()) for text in descriptions]
    said = {match[1] for match in numbers if match}
    family = next((names for pattern, names in _FAMILIES if pattern.search(stem)), None)
    if family is None and ("6" in said or said == set(_OLI)):
        family = _OLI
    elif family is None and ("7" in said or said == set(_TM)):
        family = _TM
    if not said or family is None:
        return list(descriptions)
    return [
        family.get(match[1], f"b{match[1]}") if match else text
        for match, text in zip(numbers, descriptions, strict=True)
    ]


def named(names: Sequence[str | None]) -> tuple[str, ...]:
    """Names of bands; where one of a file is not said, those of so many bands by default, or none."""
    said = tuple(name for name in names if name is not None)
    return said if len(said) == len(names) else BANDS_BY_COUNT.get(len(names), ())


def is_extra(stem: str) -> bool:
    """Whether a file's stem is that of a thumbnail, a quality band or another layer beside a scene."""
    band = split_band(stem)[1]
    return _EXTRA.search(stem) is not None or (band is not None and band not in ORDER)


def parse_bands(text: str | Sequence[str]) -> tuple[tuple[str, ...], dict[str, int]]:
    """``red,green=2,nir=8`` to the names in order and the file's band (from 1) of those that say it.

    Raises
    ------
    SettingsError
        If a name is empty or doubled, or a number is not a whole one from 1.
    """
    parts = [part.strip() for part in (text.split(",") if isinstance(text, str) else text)]
    names, at = [], {}
    for part in parts:
        name, equals, number = part.partition("=")
        if not name or (equals and not (number.isdigit() and int(number) > 0)):
            raise SettingsError(
                f"--bands {','.join(parts)}: write names in order, such as red,green,blue,nir=8"
            )
        names.append(name)
        if equals:
            at[name] = int(number)
    if len(set(names)) < len(names):
        raise SettingsError(f"--bands {','.join(parts)}: a band is named twice")
    return tuple(names), at


def choose(
    where: str,
    known: Sequence[str | None],
    alpha: Sequence[bool],
    wanted: Sequence[str] | None = None,
    *,
    in_order: bool = True,
) -> Choice:
    """Which bands of a file to read, in which order.

    Without `wanted`: red, green, blue and, where there is one, near infrared, in this order, where the file says
    which they are; otherwise up to four bands as they lie. With it: all of its bands in order, where there are as many
    names as bands, whatever the file calls them; otherwise the bands that the file calls so, or those of the given
    numbers (``nir=8``).

    Parameters
    ----------
    where : str
        The file, for messages.
    known : sequence of str or None
        The name of every band where the file says it.
    alpha : sequence of bool
        Which bands are alpha, not data.
    wanted : sequence of str, optional
    in_order : bool
        Whether as many names as bands are their names in order. Not so for bands that are files of their own: they have
        no order.

    Raises
    ------
    FormatError
        If the wanted bands are not there, or nothing says which of many bands to take.
    """
    opaque = [k for k in range(len(known)) if not alpha[k]]
    see_through = next((k + 1 for k in range(len(known)) if alpha[k]), None)
    if not opaque:
        raise FormatError(f"{where}: has no band of data, {len(known)} in all")
    if wanted is not None:
        return _wanted(where, known, opaque, see_through, wanted, in_order)
    if {"red", "green", "blue"} <= set(known):
        taken = [known.index(name) for name in ORDER if name in known]
        rest = [k for k in opaque if k not in taken]
        assumed = len(taken) == 3 and len(rest) == 1 and known[rest[0]] is None
        taken += rest if assumed else []
        names = tuple(known[k] for k in taken) if not assumed else ORDER
        return Choice(tuple(k + 1 for k in taken), names, see_through, assumed=assumed)
    named = [k for k in opaque if known[k] in ORDER]
    if len(opaque) not in BANDS_BY_COUNT and len(named) > 1:
        taken = [known.index(name) for name in ORDER if name in known]
        return Choice(tuple(k + 1 for k in taken), tuple(known[k] for k in taken), see_through)
    if len(opaque) not in BANDS_BY_COUNT:
        raise FormatError(
            f"{where}: has {len(opaque)} bands, and nothing says which is which; choose with --bands and their "
            "numbers, such as --bands red=4,green=3,blue=2,nir=8"
        )
    names = tuple(known[k] for k in opaque)
    return Choice(
        tuple(k + 1 for k in opaque), names if None not in names else (None,) * len(opaque), see_through
    )


def _wanted(
    where: str,
    known: Sequence[str | None],
    opaque: Sequence[int],
    alpha: int | None,
    wanted: Sequence[str],
    in_order: bool,
) -> Choice:
    names, at = parse_bands(wanted)
    if at and max(at.values()) > len(known):
        raise FormatError(
            f"{where}: has {len(known)} bands, and band {max(at.values())} was asked for; where chips and scenes have "
            "their bands in other places, name those of chips with --chip-bands in locate"
        )
    alpha = None if alpha in at.values() else alpha
    if in_order and not at and len(names) == len(opaque):
        own = tuple(known[k] for k in opaque)
        other = any(a is not None and a != b for a, b in zip(own, names, strict=True))
        return Choice(tuple(k + 1 for k in opaque), names, alpha, own if other else ())
    if all(name in at or name in known for name in names):
        return Choice(tuple(at.get(name) or known.index(name) + 1 for name in names), names, alpha)
    if (
        in_order and not at and len(names) == len(known)
    ):  # an alpha band that is none, such as the fourth of RGB and NIR
        return Choice(tuple(range(1, len(known) + 1)), names, None)
    has = ", ".join(f"{k + 1} {known[k] or 'unnamed'}" for k in range(len(known)))
    raise FormatError(
        f"{where}: the bands {', '.join(names)} were asked for; it has {has}. Give the numbers too, such as "
        f"--bands {','.join(f'{name}={k + 1}' for k, name in enumerate(names))}"
    )
