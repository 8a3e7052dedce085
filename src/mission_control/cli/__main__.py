"""`python -m mission_control.cli`: the command, without its script on the path."""

from mission_control.cli import main

if __name__ == "__main__":
    main()
