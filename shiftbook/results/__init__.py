"""The JSON files that commands write with --json: what is in them, for writers, readers and the documents."""
