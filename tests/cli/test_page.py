"""The page of the command has each option that can be typed, and a transcript types it."""

import re
from pathlib import Path

from firecrawl_interact.adapters.cli.commands import command

PAGE = (Path(__file__).parents[2] / "docs" / "command.md").read_text(encoding="utf-8")
TRANSCRIPTS = Path(__file__).with_name("transcripts").glob("*.txt")


def test_each_option_of_a_command_is_in_a_table_and_in_a_transcript() -> None:
    parameters = [one for each in command.commands.values() for one in each.params]
    options = {one.opts[0] for one in parameters if one.param_type_name == "option"}
    cells = re.findall(r"^\| (`--.*?) \|", PAGE, re.MULTILINE)
    in_table = set(re.findall("--[a-z-]+", " ".join(cells)))
    assert options == in_table
    texts = [path.read_text(encoding="utf-8") for path in TRANSCRIPTS]
    typed = re.findall(r"^\d*\$ .*", "\n".join(texts), re.MULTILINE)
    assert options - set(re.findall("--[a-z-]+", " ".join(typed))) == set()
