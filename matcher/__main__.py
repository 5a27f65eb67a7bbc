"""``python -m matcher``: the command where no script of that name was installed."""

from matcher.cli import main

if __name__ == "__main__":
    main(prog_name="python -m matcher")
