"""What items look, sound and read like: media to features in one HDF5 file. The only torch here."""
