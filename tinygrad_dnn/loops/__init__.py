"""Steps that are repeated: what they carry, what stays constant, and what need not be repeated."""
