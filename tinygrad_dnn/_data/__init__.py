"""The data that travel with the package: digits.h5, what DIGITS.txt says of it, and its maker."""
