"""The tool that follows the tutorials: steps, exit codes and lines are told as they are, and stale ones are seen."""

import pytest

from matcher.cli import COMMANDS

TOOL = "tutorials"

PAGE = """# A page

```
matcher score a.csv b.csv     # a note
```

```
official score  0.941 [0.831, 0.998]
…
files           12
```

Some words.

```bash
#SBATCH
```

It is told, exit code 5:

```
matcher match --run-dir all
cmp a b
```

```python
print("matcher: 3 answers in 0:13")
```

```
matcher: 3 answers in 0:29
```
"""


def test_steps_of_a_page(tool):
    first, second, third = tool.steps(PAGE)
    assert (first.commands, first.code, first.python) == (("matcher score a.csv b.csv    ",), 0, False)
    assert [block for _, block in first.shown] == [
        "official score  0.941 [0.831, 0.998]\n…\nfiles           12\n"
    ]
    assert (second.commands, second.code, second.shown) == (("matcher match --run-dir all", "cmp a b"), 5, ())
    assert third.python
    assert third.shown[0][1] == "matcher: 3 answers in 0:29\n"


def test_every_tutorial_has_steps_that_call_commands_there_are(tool):
    for page in tool.PAGES.values():
        steps = tool.steps(page.read_text(encoding="utf-8"))
        called = [c.split()[1] for step in steps for c in step.commands if c.startswith("matcher ")]
        assert len(called) >= 3
        assert set(called) <= set(COMMANDS)
        assert any(step.shown for step in steps)


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("score  0.941 [0.831, 0.998]", "score    0.944 [0.831, 0.998]", True),
        ("score  0.941 [0.831, 0.998]", "score  0.928 [0.831, 0.998]", False),
        ("patches  72", "patches  71", False),
        ("72 answers in 0:13: 63 sure", "72 answers in 0:04: 63 sure", True),
        ("about 0.6 GiB and 3 s on 2 cores", "about 0.6 GiB and 4 s on 2 cores", True),
    ],
)
def test_numbers_that_are_near(tool, shown, printed, same):
    assert tool.alike(shown) == tool.alike(printed)
    assert tool.near(shown, printed) is same


def test_lines_are_found_in_their_order(tool):
    printed = "a 1\nb 2\na 3\n"
    assert list(tool.held("a 7\n…\na 8\nb 9\n", printed)) == [("a 7", "a 1"), ("a 8", "a 3"), ("b 9", None)]


def page(tool, folder, text):
    path = folder / "page.md"
    path.write_text(text, encoding="utf-8")
    return tool.follow(path, folder, "DATA")


def test_what_is_stale_is_told_and_put_right(tool, tmp_path):
    text = '```\npython -c "print(0.5, 7)"\n```\n\n```\n0.7 7\n```\n\n```python\nprint("done")\n```\n\n```\nover\n```\n'
    fresh, wrong = page(tool, tmp_path, text)
    assert fresh == text.replace("0.7 7", "0.5 7")
    assert [line.split(": ")[1] for line in wrong] == ["shown", "not printed"]


def test_an_exit_code_that_the_text_does_not_say_ends_it(tool, tmp_path):
    with pytest.raises(SystemExit, match="ended with exit code 3, not 0"):
        page(tool, tmp_path, '```\npython -c "raise SystemExit(3)"\n```\n')
    assert page(tool, tmp_path, 'With exit code 3:\n\n```\npython -c "raise SystemExit(3)"\n```\n')[1] == []
