"""Measures what the library promises, and prints the table. Run it with `make benchmark`.

Each public function of the modules gives figures.
"""

import inspect
import sys

import journal
import outages
import rate_limits
import sessions
import start

if __name__ == "__main__":
    chosen = sys.argv[1:]
    print("| what | measured | at most | |")
    print("| --- | --- | --- | --- |")
    for module in (sessions, outages, rate_limits, journal, start):
        for name, figures in vars(module).items():
            is_own = inspect.isgeneratorfunction(figures) and not name.startswith("_")
            full_name = f"{module.__name__}.{name}"
            if is_own and (not chosen or any(word in full_name for word in chosen)):
                for line in figures():
                    print(line, flush=True)
