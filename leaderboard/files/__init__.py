"""Files that groups exchange: submissions, verified, reproduced, merged and checked."""
