"""How hard hypothesis looks: `--hypothesis-profile=thorough` looks longer."""

from hypothesis import settings

settings.register_profile("usual", max_examples=200, deadline=None)
settings.register_profile("quick", max_examples=25, deadline=None)
settings.register_profile("thorough", max_examples=5_000, deadline=None)
settings.load_profile("usual")
