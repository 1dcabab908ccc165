"""End to end, one sentence each: speech, handwriting, training."""
