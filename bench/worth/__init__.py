"""What image labels are worth in masks: break-even, attribution, label budget."""
