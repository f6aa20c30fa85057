"""From files of finished runs to rows, what a table may say of them, and the table itself."""
