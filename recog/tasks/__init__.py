"""The tasks that showed what memory cells can do: made from a seed, no data needed, with the loop that learns them."""
