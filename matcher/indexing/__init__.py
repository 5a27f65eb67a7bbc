"""An index of images: what a search makes of them alone, kept on disk and shared by processes."""
