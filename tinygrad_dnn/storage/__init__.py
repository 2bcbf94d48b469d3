"""Files: HDF5 read under guard, run files sealed against damage, and their contents validated."""
