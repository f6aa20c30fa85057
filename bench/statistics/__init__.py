"""What differences mean: pure functions of scores (docs/protocol.md)."""
