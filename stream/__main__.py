"""`python -m stream` is the command `noisegate`."""

from stream.cli import main

if __name__ == "__main__":
    main()
