"""What a search is given and hands over, and the exact search of every pixel."""
