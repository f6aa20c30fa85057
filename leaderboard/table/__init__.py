"""Tables of finished runs: shown, exported, compared; reported rows, the analysis plan."""
