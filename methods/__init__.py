"""The methods that come with wsss-bench, each a plugin like a stranger's: one file, found by its entry point."""
