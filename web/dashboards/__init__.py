"""Pages of figures: state from the URL, facts from the selectors, pure figures and blocks, one mount."""
