"""`python -m mesh_defs.cli`, which the launcher executes."""

from mesh_defs.cli.main import main

if __name__ == "__main__":
    main()
