"""Pages for paper: statements as PDF, drawn from the same facts as their pages on the screen."""
