"""How the tests run; and how hard hypothesis looks: `--hypothesis-profile=thorough`, longer."""

import signal

from hypothesis import Phase, settings

settings.register_profile("usual", max_examples=200, deadline=None)
settings.register_profile("quick", max_examples=25, deadline=None)
settings.register_profile("thorough", max_examples=5_000, deadline=None)
settings.register_profile(
    "mutants",  # The same examples each time, and no time lost with the smallest one that fails.
    max_examples=25,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("usual")

# A shell's background job starts with Ctrl-C ignored; some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)
