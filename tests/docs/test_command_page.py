"""The page of the command agrees with `--help`, and its recipes are typed in the transcripts."""

import json
import re

import click
import pytest

from firecrawl_interact.adapters.cli.commands import command

from ..cli.transcripts import transcripts
from .pages import sections

SECTIONS = dict(sections("docs/command.md"))
STEPS = [step for _, steps in transcripts() for step in steps if step.is_typed]


def first_column(title: str) -> list[str]:
    return re.findall(r"^\| `(.+?)` \|", SECTIONS[title], re.MULTILINE)


def help_of(name: str) -> str:
    with click.Context(command, **command.context_settings) as context:
        found = command.get_command(context, name)
        assert found is not None
        with click.Context(found, info_name=name, parent=context) as inner:
            return found.get_help(inner)


def paragraph(heading: str) -> str:
    """Return what stands below a heading of the help of `delete`."""
    return help_of("delete").partition(f"{heading}:\n")[2].partition("\n\n")[0]


def options_of(text: str) -> list[str]:
    return re.findall(r"^  (?:-\w, )?(--[a-z-]+)", text, re.MULTILINE)


def test_the_options_are_those_of_the_help() -> None:
    of_the_page = re.findall(r"--[a-z-]+", " ".join(first_column("Options")))
    assert of_the_page == options_of(help_of("delete"))


def test_a_sweep_has_the_options_of_delete_but_for_where_ids_come_from() -> None:
    sweep, delete = set(options_of(help_of("sweep"))), set(options_of(help_of("delete")))
    assert sweep == delete - {"--from"} | {"--dry-run", "--service"}
    assert "`--dry-run`" in SECTIONS["What dead processes left"]


def test_the_exit_statuses_are_those_of_the_help() -> None:
    of_the_help = re.findall(r"^ +(\d+) ", paragraph("Exit status"), re.MULTILINE)
    assert first_column("Exit status") == of_the_help


def test_the_keys_are_those_of_the_help_and_of_an_outcome() -> None:
    of_the_help = re.findall(r"\w+", paragraph("The keys of --json, null where there is none"))
    printed = next(line for step in STEPS for line in step.out if line.endswith('_status": null}'))
    assert first_column("JSON") == of_the_help == list(json.loads(printed))


@pytest.mark.parametrize("title", ["In scripts", "Completion"])
def test_each_recipe_is_typed_in_a_transcript(title: str) -> None:
    shown = re.findall(r"^```\n(.*?)^```$", SECTIONS[title], re.MULTILINE | re.DOTALL)
    recipes = "".join(shown).replace('eval "$(', "").replace(')"', "").splitlines()
    assert len(recipes) == 3
    for recipe in recipes:
        typed = recipe.replace("firecrawl-interact delete", "delete")
        assert any(step.text.startswith(typed) for step in STEPS), recipe
