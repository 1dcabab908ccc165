"""Connectionist temporal classification: loss, greedy and beam decoding, alignment. Matrix in, symbols out."""
