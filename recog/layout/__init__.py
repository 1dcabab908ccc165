"""Page -> text lines in reading order."""
