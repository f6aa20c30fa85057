"""What a plugin must keep, check by check; bench.testing calls them."""
