"""Many processes, on one machine or several, by Ray, which nothing else here imports."""
