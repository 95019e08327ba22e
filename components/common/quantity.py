"""Counts with their nouns, for people."""


def quantity(count: int, noun: str, plural: str = "") -> str:
    """A count and its noun in the right number: "1 face", "1,234 faces", "1 identity".

    Args:
        count: how many.
        noun: for one of them.
        plural: for several; by default the noun and an s.
    """
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
