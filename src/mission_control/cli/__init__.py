"""The `mission-control` command."""


def main() -> None:
    """Entry point of the command; ends the process with its exit code."""
    from mission_control.cli.app import app

    app(prog_name="mission-control")
