"""The errors a user can meet: each names the file, the record and the way out."""


class MatcherError(Exception):
    """Something the user gave cannot be used; the message says what, where and what to do.

    `exit_code` is what the command line ends with.
    """

    exit_code = 1


class FormatError(MatcherError):
    """A file is not what it should be: missing, truncated, corrupt, or of another form."""


class SettingsError(MatcherError):
    """Options that contradict each other or the data."""


class NoInputError(FormatError):
    """Not one image, or not one patch, can be used."""

    exit_code = 4


class ResumeError(MatcherError):
    """A run directory belongs to another run, or another process works in it."""

    exit_code = 5
