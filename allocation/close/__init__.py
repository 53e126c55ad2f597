"""Month end: periods and their gates, what is posted late, accruals, statements, the journal."""
