"""Files for finance: the monthly workbook."""
