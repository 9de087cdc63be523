def compress() -> None:
    """x"""
