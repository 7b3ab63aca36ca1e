"""What the trials of a run say, and how sure that is: pure functions over arrays, and the summary built from them."""
