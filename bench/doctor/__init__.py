"""`bench doctor`: what this machine has, and what is broken."""
