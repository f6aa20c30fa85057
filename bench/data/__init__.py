"""Data sets on the harness's side: samples, the door to masks, pictures, caches, checks, downloads."""
