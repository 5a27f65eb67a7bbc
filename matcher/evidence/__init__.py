"""Evidence: reflectance to fields to correlate. `matcher.settings.EVIDENCE` names every kind and its file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from matcher.errors import SettingsError
from matcher.evidence.channel import Channel, joined
from matcher.evidence.pixels import seen_pixels, valid_pixels
from matcher.evidence.plugins import load_plugin
from matcher.imagery import Roles
from matcher.settings import EVIDENCE

__all__ = ["Channel", "Kind", "Responses", "channels", "channels_of_all", "joined", "kind", "templates"]

Responses = Mapping[str, tuple[float, ...]]
# Kinds that take many pictures at once, (…, height, width, bands).
_TOGETHER = frozenset({"phase", "phase2", "ratio", "ratio-signed", "magnitude"})
Kind = Callable[[NDArray[np.float32], NDArray[np.bool_], Roles], list[Channel]]


def channels(dn: NDArray[np.float32], roles: Roles, names: tuple[str, ...]) -> list[Channel]:
    """The channels of a picture, in the order of `names`.

    Parameters
    ----------
    dn : ndarray (height, width, bands), float32
        Reflectance x 10,000; a pixel of 0 in all bands is no data.
    roles : Roles
    names : tuple of str
        Keys of `matcher.settings.EVIDENCE`, or names that installed packages add.

    Raises
    ------
    SettingsError
        If a kind needs a band that is not there, or none of them finds any evidence in so few bands.
    """
    return [channel for made in _by_name(dn, valid_pixels(dn), roles, names).values() for channel in made]


def channels_of_all(
    pictures: Sequence[NDArray[np.float32]], roles: Roles, names: tuple[str, ...]
) -> list[Channel]:
    """The `channels` of pictures of one shape, each channel of all of them.

    Kinds that can make the fields of many pictures in one call do so, which for small ones takes less time.
    """
    if not _TOGETHER.issuperset(names):
        return joined([channels(dn, roles, names) for dn in pictures], np.stack)
    # Kept band by band in memory, as all of these kinds want it.
    stack = np.moveaxis(np.stack([dn.transpose(2, 0, 1) for dn in pictures]), 1, -1)
    valid = np.stack([valid_pixels(dn) for dn in pictures])
    return [channel for made in _by_name(stack, valid, roles, names).values() for channel in made]


def templates(
    dn: NDArray[np.float32], roles: Roles, names: tuple[str, ...], responses: Responses
) -> list[Channel]:
    """The channels of a patch, ready to be sought: `channels` of what is not hidden, whitened as the responses say.

    Pixels under cloud or snow (`seen_pixels`) are as without data: where the ground shows beside them, the sky's own
    texture only votes against it.
    """
    return [
        replace(channel, response=responses.get(name, channel.response))
        for name, made in _by_name(dn, seen_pixels(dn, roles), roles, names).items()
        for channel in made
    ]


def _by_name(
    dn: NDArray[np.float32], valid: NDArray[np.bool_], roles: Roles, names: tuple[str, ...]
) -> dict[str, list[Channel]]:
    out = {name: kind(name)(dn, valid, roles) for name in names}
    if not any(out.values()):
        raise SettingsError(
            f"evidence {', '.join(names)} needs two bands: name other evidence with --evidence"
        )
    return out


def kind(name: str) -> Kind:
    """The function of a name: of `matcher.settings.EVIDENCE`, or what a package adds (`matcher.evidence.plugins`).

    It takes the DN of a picture, where its pixels are valid, and the bands' roles, and gives channels of the picture's
    height and width. A field may look at most 7 px round a pixel: searches cut pictures with that much about them.

    Raises
    ------
    SettingsError
        If there is none; or, when it is called, where one that was added gives something else than such channels.
    """
    if name in EVIDENCE:
        module, function = EVIDENCE[name].split(":")
        shipped: Kind = getattr(import_module(f"matcher.evidence.{module}"), function)
        return shipped
    added = load_plugin(name)

    def checked(dn: NDArray[np.float32], valid: NDArray[np.bool_], roles: Roles) -> list[Channel]:
        made = added(dn, valid, roles)
        fine = isinstance(made, list) and bool(made) and all(isinstance(c, Channel) for c in made)
        if not fine or any(stack.shape[1:] != dn.shape[:2] for c in made for stack in c.stacks):
            raise SettingsError(
                f"evidence {name!r}: gave {type(made).__name__}; a list of channels of {dn.shape[:2]} px was expected"
            )
        stacks = [tuple(np.ascontiguousarray(stack, np.float32) for stack in c.stacks) for c in made]
        return [replace(c, stacks=s) for c, s in zip(made, stacks, strict=True)]

    return checked
