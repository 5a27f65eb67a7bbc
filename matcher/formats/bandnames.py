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
_TOKEN = re.compile(r"(?i)(?:(?<=^)|(?<=[_.\-]))(b0?[2348]|b5|red|green|blue|nir)(?=[_.\-]|$)")
_LANDSAT = re.compile(r"(?i)^L[COT]0[89]_")
_LANDSAT_BANDS = {"b2": "blue", "b3": "green", "b4": "red", "b5": "nir"}


@dataclass(frozen=True)
class Choice:
    """Bands of one file: 1-based indices, their names (None where nothing says), and the alpha band if any.

    `against` are the file's own names of these bands where other ones were asked for.
    """

    indices: tuple[int, ...]
    names: tuple[str | None, ...]
    alpha: int | None
    against: tuple[str | None, ...] = ()


def name_of(description: str | None, interpretation: str | None = None) -> str | None:
    """A band's name in this package's words (red, green, blue, nir, gray), or None where nothing says.

    `description` is free text such as ``"B4, central wavelength 665 nm"``; `interpretation` is GDAL's colour
    interpretation. The description goes first.
    """
    words = re.split(r"[\s,;:(/]+", description.strip().lower()) if description else [""]
    if words[0] in _BY_ALIAS:
        return _BY_ALIAS[words[0]]
    return interpretation if interpretation in _ALIASES else None


def split_band(stem: str) -> tuple[str, str | None]:
    """A file's stem without its band token, and the band: ``T31_B04_10m`` gives ``T31_*_10m`` and red."""
    found = list(_TOKEN.finditer(stem))
    if not found:
        return stem, None
    token = found[-1]
    word = token.group().lower()
    name = _LANDSAT_BANDS.get(word) if _LANDSAT.match(stem) else _BY_ALIAS.get(word)
    if name is None:
        return stem, None
    return f"{stem[: token.start()]}*{stem[token.end() :]}", name


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
        rest = [k for k in opaque if k not in taken and known[k] is None]
        if len(taken) == 3 and len(rest) == 1:
            taken += rest
        return Choice(tuple(k + 1 for k in taken), ORDER[: len(taken)], see_through)
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
        raise FormatError(f"{where}: has {len(known)} bands, and band {max(at.values())} was asked for")
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
