"""What is typed at the command, and what it prints; and the page that has each option."""

import re
import shutil
from pathlib import Path

import pytest

from firecrawl_interact.adapters.cli.commands import command

from .commands import Run, WatchedService, on_unix, without_times
from .transcripts import Stage, Step, as_expected, play, transcripts

PAGE = (Path(__file__).parents[2] / "docs" / "command.md").read_text(encoding="utf-8")


@on_unix
@pytest.mark.enable_socket
@pytest.mark.parametrize("steps", [pytest.param(steps, id=title) for title, steps in transcripts()])
def test_the_command_prints(
    steps: list[Step],
    service: WatchedService,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    typed = " ".join(step.text for step in steps)
    if shutil.which("jq") is None and re.search(r"\bjq ", typed):
        pytest.skip("jq is not installed")
    monkeypatch.chdir(tmp_path)
    stage = Stage(service, tmp_path, monkeypatch)
    for step in steps:
        if not step.is_typed:
            stage.put(step.text)
            continue
        done = play(step.text, run, stage.columns)
        err = as_expected(without_times(done.err), step.err)
        in_any_order = stage.columns is None
        out = as_expected(without_times(done.out), step.out, in_any_order=in_any_order)
        assert (done.status, err, out) == (step.status, step.err, step.out)
    stage.end()


def test_each_option_of_a_command_is_in_a_table_and_in_a_transcript() -> None:
    parameters = [one for each in command.commands.values() for one in each.params]
    options = {one.opts[0] for one in parameters if one.param_type_name == "option"}
    cells = re.findall(r"^\| (`--.*?) \|", PAGE, re.MULTILINE)
    in_table = set(re.findall("--[a-z-]+", " ".join(cells)))
    assert options == in_table
    typed = [step.text for _, steps in transcripts() for step in steps if step.is_typed]
    assert options - set(re.findall("--[a-z-]+", " ".join(typed))) == set()
