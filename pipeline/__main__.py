"""`python -m pocketbert` is `pocketbert`."""

from .app.cli.main import main

if __name__ == "__main__":
    main()
