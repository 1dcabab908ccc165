"""Language models: n-grams of words or characters. No torch.

For a decoder, three things matter:

    from recog.lm.binary import load            # also recog.lm.arpa.read and recog.lm.train.train
    from recog.lm.lookup import advance         # compiled; call it from other compiled code

    model = load("english.lm")                  # recog.lm.ngram.NgramModel
    state = model.begin                         # int: the context after <s>; lookup.ROOT is the empty context
    word = model.id("whale")                    # int; lookup.UNKNOWN (0) where the vocabulary lacks it
    log_prob, state = advance(model.tables, state, word)    # natural log, next context
    end, _ = advance(model.tables, state, END)  # lookup.END (2) is </s>

`tables` is a named tuple of read-only arrays, so it passes through compiled functions as it is. A state is one
int64: the longest part of the history that can still matter to the model. Two histories with equal states get equal
scores ever after, so a beam search may merge them. A state belongs to one model and means nothing to another.

A character model is the same thing with characters as words; the space is the word " ".
"""
