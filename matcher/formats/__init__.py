"""Files in and out: readers of pictures and series behind one registry, and writers.

`matcher.formats.opening` has the doors (``open_images``, ``open_patches``, ``open_rasters``, ``open_series``),
`matcher.formats.registry` says which reader opens what, and `matcher.formats.reader` what a reader is.
"""
