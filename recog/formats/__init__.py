"""Files in which transcripts and pages come and go: readers and writers, no torch."""
