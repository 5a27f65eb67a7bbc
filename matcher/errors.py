"""The errors a user can meet: each names the file, the record and the way out."""


class MatcherError(Exception):
    """Something the user gave cannot be used; the message says what, where and what to do."""


class FormatError(MatcherError):
    """A file is not what it should be: missing, truncated, corrupt, or of another form."""


class SettingsError(MatcherError):
    """Options that contradict each other or the data."""
