"""What is wrong with a corpus before anybody trains on it: files really decoded, faults as records that name their line."""
