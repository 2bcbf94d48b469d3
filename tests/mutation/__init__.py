"""The checker checked: faults planted in derivative rules and in the sweep, one at a time."""
