"""The leaderboard, a plugin like any other: it adds the commands `bench leaderboard ...`."""
