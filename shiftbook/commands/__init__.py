"""One command of the command line a file; heavy imports happen when a command runs."""
