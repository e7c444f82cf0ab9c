"""`python -m p2pfw`: the same as the command."""

from p2pfw.cli.main import main

if __name__ == "__main__":
    main()
