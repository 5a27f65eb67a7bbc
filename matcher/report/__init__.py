"""Pictures and pages of what came out; nothing here searches."""
