"""What the dates of a place share, and what is each date's own."""
