"""The report of a run: static pages that open from disk, with no network and no script needed to read them."""
