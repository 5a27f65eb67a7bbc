"""What changed between a patch and the window found for it: by structure and by what one date says of the other."""
