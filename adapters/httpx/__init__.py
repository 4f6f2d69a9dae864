"""The transports over the program's own client of httpx2 or httpx."""
