"""What lies in a folder of runs: list, check, clean, show, export, predict."""
