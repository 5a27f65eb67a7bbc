"""The version, where every room can read it without the facade."""

VERSION = "0.1.0"
