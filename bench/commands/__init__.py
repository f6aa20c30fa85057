"""The command line: parsing, and one file for each group of commands."""
