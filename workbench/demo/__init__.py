"""The demonstration: a simulated portfolio, collected, shown, and compared value by value with the truth."""
