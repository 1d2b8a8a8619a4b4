"""Terminal output: tables, numbers, times, exit statuses, and AWS errors as sentences."""
