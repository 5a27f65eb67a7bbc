"""A match in order: pictures opened and checked, searched, decided, and answers on the map."""
