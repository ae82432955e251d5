"""`python -m pipeline` is `pocketbert`."""

from pipeline.cli import main

if __name__ == "__main__":
    main()
