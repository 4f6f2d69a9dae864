"""Text from elsewhere, made safe to show."""


def printable(text: str) -> str:
    """Escape what would act on a terminal, or forge a line of a log.

    Returns:
        The text. Each character that is not printable is written as Python escapes it.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )
