"""Networks that map lengths: layers, the deep bidirectional stack, averaged weights."""
