"""Third-party libraries beyond NumPy, each imported by one module here, on first use."""
