"""Solar plants: quality of their data, expected power, losses."""
