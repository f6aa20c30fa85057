"""From a request to scored artifacts: plan, cells in processes of their own, one function for each stage."""
