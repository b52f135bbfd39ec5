"""``python -m interlith``: the same door as the ``interlith`` command."""

from interlith.cli.main import main

if __name__ == "__main__":
    main()
